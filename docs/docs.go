// Package docs carries the description of the API.
//
// make docs generates it from the annotations above each plugin's Execute and from the registrations of the plugins.
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
