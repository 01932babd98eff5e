// Package greetings is the greetings domain.
//
// It shows where a plugin stands, and may go when there is another.
package greetings

import (
	"plugboard/app"

	"example.org/site/domains/greetings/plugins"
)

// Module is the domain. A new plugin is added to this list.
var Module = app.Domain("greetings",
	plugins.Greet,
)
