package renamed

import "m/app"

var Module = app.Domain("rename") // want `give it the name of its folder, "renamed"`
