package config

import (
	"path"
	"regexp"
	"runtime/debug"
	"sync"
)

// ServiceName returns the name of the service: the last element of its module's path, without a version such as v2. The
// command, the default database and the name that a collector and the database see follow it. It is the same for every
// binary that is built of a package. Of files that are named, as in "go run main.go", the go command does not record the
// module, and the name is "service".
var ServiceName = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return NameOf("")
	}
	return NameOf(info.Main.Path)
})

var majorVersion = regexp.MustCompile(`[/.]v[0-9]+$`)

// NameOf returns the name of a service of the module path.
func NameOf(module string) string {
	if module = majorVersion.ReplaceAllString(module, ""); module == "" {
		return "service"
	}
	return path.Base(module)
}
