// Package site finds the sources of a service: its own, and those of the modules that it requires.
//
// A service is a module of its own that requires the host, or the host's own module. No path is written down anywhere: the
// host's is that of the package that plug itself imports.
package site

import (
	"path"
	"reflect"

	"plugboard/app"
)

// Contract returns the import path of the package that plugins are written against.
func Contract() string { return reflect.TypeFor[app.Boot]().PkgPath() }

// Host returns the path of the module that the contract is part of.
func Host() string { return path.Dir(Contract()) }
