package permits

import (
	"m/app"
	"m/domains/permits/plugins"
)

var made = "permits." + plugins.Last()

var Module = app.Domain("permits", // want `domains/permits/plugins/x.go:19 asks for the permission permits.delete, which is not in the list` `domains/permits/plugins/x.go:26 asks for the permission permits.secret` `domains/permits/permits.go:13 asks for the permission permits.all`
	app.Permission("permits.write", "Change it"),
	app.Permission(made, "Change it"), // want `the permission made is no constant, so nobody finds where it is asked for`
	app.Every(app.Can("permits.all")),
	plugins.X,
)
