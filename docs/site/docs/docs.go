// Package docs carries the description of the API.
//
// go tool plug docs generates it from what the plugins register, and from the lines below.
//
//	@title		Site
//	@version	0.1.0
package docs

import _ "embed"

//go:embed openapi.json
var openapi string

// Spec returns the API's description, OpenAPI 3.1 in JSON.
func Spec() string { return openapi }
