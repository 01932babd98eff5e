// Package httpserver serves the plugins' endpoints over HTTP.
//
// The host calls it. At start, [Server.Check] compiles each endpoint: its request type into a binder (package bind), its path into a
// route (internal/routes), its response type into an encoding (internal/answer). A mistake is a start error that names the plugin and
// the line. See [Server] for the lifecycle and for what may be called concurrently.
//
// A request takes this way: connection (internal/socket) → front.ServeHTTP, which gives it an id, counts, logs and answers panics → the
// limits on requests and connections → the gate (internal/gate: host and origin) → Gin's router → endpoint.serve → the endpoint's
// limits (internal/ratelimit) → guards → body → binder → handler → envelope. The server finds what a caller did wrong before it calls a
// handler. Only 412 and 416 come after it, since they depend on the content that the handler returns. A raw handler reads its body
// itself, and gets the errors of that.
//
// # What is refused, and how
//
//	400 malformed         not JSON, duplicate members, invalid UTF-8, trailing data, nesting deeper than 100, a
//	                      missing body, a malformed query (bad escapes, semicolons, more than 256 parameters),
//	                      NUL characters in a parameter that fills no field, or in the name of a form's part
//	403 forbidden         a request that a page of another site made; a guard may refuse with any status
//	404 not_found         a path that no route serves, or one with an empty parameter
//	405 method_not_allowed
//	                      a method that the path does not take
//	408 timeout           a body that does not arrive within the read timeout, or stands still for the stall timeout
//	412 precondition_failed
//	                      an If-Match without the tag of the content
//	413 too_large         a body over the limit, before it is read where its length is declared
//	415 unsupported_type  a body of a media type the endpoint does not take, or without one, a content encoding,
//	                      a charset other than UTF-8, a body on an endpoint that takes none
//	416 range_not_satisfiable
//	                      a range that is not within the content
//	421 misdirected       a host that the service does not answer for, except for probes
//	422 invalid           values of the wrong type, out of range, null where a value is needed, with a NUL
//	                      character (also in the name of a JSON member), or against the field's rules; all of
//	                      them are listed together
//	429 too_many          a request beyond a limit of the endpoint
//	503 unavailable       a body, or an answer, for which the service has no memory left; more requests or connections
//	                      than the settings allow, except the probes; a limit in the database that cannot be asked
//
// A form field is filled from the query. On POST, PUT and PATCH endpoints without JSON fields it is filled from
// the form in the body (multipart or URL-encoded) when the request has a body, and from the query when not.
package httpserver
