package config

import (
	"path"
	"regexp"
	"runtime/debug"
	"sync"
)

// ServiceName returns the name of the service: the last element of its module's path, without a version such as v2. The
// command, the default database and the name that a collector and the database see follow it. It is the same for every
// binary of the module.
var ServiceName = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nameOf("")
	}
	return nameOf(info.Main.Path)
})

var majorVersion = regexp.MustCompile(`[/.]v[0-9]+$`)

func nameOf(module string) string {
	if module = majorVersion.ReplaceAllString(module, ""); module == "" {
		return "service"
	}
	return path.Base(module)
}
