// Package site makes the module of a new service.
//
// A service is a module of its own that requires the host. No path of the host is written down anywhere: it is that of the
// package which plug itself imports.
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

// Public returns the packages of the host that keep their names from one release to the next, from its module's root. What else
// the host has may change in any release. The description of the API, docs/api.txt, is of the same ones.
func Public() []string { return []string{"app", "app/apptest", "app/apptest/rules", "infra/host"} }
