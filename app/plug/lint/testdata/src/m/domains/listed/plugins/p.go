package plugins

import "m/app"

var One, Two, Three app.PluginModule

var MakeAdmin, DropAdmin app.CommandModule

var other int
