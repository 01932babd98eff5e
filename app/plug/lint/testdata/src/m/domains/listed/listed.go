package listed

import (
	"m/app"
	"m/domains/listed/plugins"
)

var Module = app.Domain("listed", // want `plugins.Two is not in the list` `plugins.DropAdmin is not in the list`
	plugins.One,
	plugins.Three,
	plugins.MakeAdmin,
)
