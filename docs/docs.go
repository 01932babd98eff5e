// Package docs carries the API's description, which make docs generates from the annotations above each plugin's
// Execute and from what the plugins register.
//
//	@title			Plugboard
//	@version		0.1.0
//	@description	Every answer is an envelope: success, data and error; a failure adds code and details.
//	@description
//	@description	What no schema says holds for all requests: a text has no NUL character; a whole number has no point and no exponent; a number is not closer to 0 than a float can say; JSON nests at most 100 levels deep and has no name twice in an object; a body is no larger than the endpoint takes. Rules of one endpoint that no schema says are listed with it, in x-rules.
//	@contact.name	The Plugboard authors
//	@license.name	MIT
package docs

import _ "embed"

//go:embed openapi.json
var openapi string

// Spec returns the API's description, OpenAPI 3.1 in JSON.
func Spec() string { return openapi }
