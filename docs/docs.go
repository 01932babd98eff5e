// Package docs carries the API's description, which swag generates from the annotations above each
// plugin's Execute.
//
//	@title			Plugboard
//	@version		0.1.0
//	@description	Every answer is an envelope: success, data and error; a failure adds code and details.
//	@license.name	MIT
package docs

import _ "embed"

//go:embed swagger.json
var swagger string

// Spec returns the API's description, Swagger 2.0 in JSON.
func Spec() string { return swagger }
