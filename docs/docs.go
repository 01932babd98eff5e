// Package docs carries the API's description, which make docs generates from the annotations above each plugin's
// Execute and from what the plugins register.
//
//	@title			Plugboard
//	@version		0.1.0
//	@description	Every answer is an envelope: success, data and error; a failure adds code and details.
//	@contact.name	The Plugboard authors
//	@license.name	MIT
package docs

import _ "embed"

//go:embed openapi.json
var openapi string

// Spec returns the API's description, OpenAPI 3.1 in JSON.
func Spec() string { return openapi }
