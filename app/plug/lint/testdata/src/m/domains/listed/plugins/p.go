package plugins

import "m/app"

var One, Two, Three app.PluginModule

var other int
