// Package httpserver serves the plugins' endpoints over HTTP.
//
// The host calls it. At start, [Server.Check] compiles each endpoint: its request type into a binder (package bind), its path into a
// route (internal/routes), its response type into an encoding (internal/answer). A mistake is a start error that names the plugin and
// the line. See [Server] for the lifecycle and for what may be called concurrently.
//
// A request takes this way: connection (internal/socket) → front.ServeHTTP, which gives it an id, counts, logs and answers panics → the
// gate (internal/gate: host and origin) → Gin's router → endpoint.serve → guards → body → binder → handler → envelope. All that a caller
// can do wrong is found before a handler is called.
//
// # What is refused, and how
//
//	400 malformed         not JSON, duplicate members, invalid UTF-8, trailing data, nesting deeper than 100, a
//	                      missing body, a malformed query (bad escapes, semicolons, more than 256 parameters),
//	                      NUL characters in names or in parameters nobody asked for
//	408 timeout           a body that does not arrive within the read timeout, or stands still for the stall timeout
//	413 too_large         a body over the limit, before it is read where its length is declared
//	415 unsupported_type  a body of a media type the endpoint does not take, or without one, a content encoding,
//	                      a charset other than UTF-8, a body on an endpoint that takes none
//	422 invalid           values of the wrong type, out of range, null where a value is needed, with a NUL
//	                      character, or against the field's rules; all of them are listed together
//	503 unavailable       a body, or an answer, for which the service has no memory left; more requests or connections
//	                      than the settings allow, except the probes
//
// A form field is filled from the query. On POST, PUT and PATCH endpoints without JSON fields it is filled from
// the form in the body (multipart or URL-encoded) when the request has a body, and from the query when not.
package httpserver
