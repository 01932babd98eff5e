package application

import (
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"plugboard/app"
)

// The sources of a service are named from its module's root: "domains/orders/plugins/place_order.go:12". Those of other
// modules begin with their packages' import paths. What the names have before that depends on the build: package app
// writes import paths, while Fx and dig write what the compiler recorded, which is the path of the file on the machine
// that built the binary, or with -trimpath the import path with the module's version.

// sourceFile matches the name of a Go file with a line.
var sourceFile = regexp.MustCompile(`[^\s()"'` + "`" + `]+\.go:\d+`)

// siteRoot is the folder of the service's module on the machine that built it; "" until it is known, and with -trimpath.
// All applications of a process are of one module.
var siteRoot atomic.Pointer[string]

// learnRoot finds the module's folder by a plugin of it: its constructor's file is there, below the folder, where its
// package's import path is below the module's.
func (inv *inventory) learnRoot() {
	for _, p := range inv.plugins {
		constructor := reflect.ValueOf(p.Info.Constructor)
		if constructor.Kind() != reflect.Func || constructor.IsNil() {
			continue
		}
		f := runtime.FuncForPC(constructor.Pointer())
		rel, own := strings.CutPrefix(path.Dir(p.Info.Source), modulePath()+"/")
		if f == nil || !own {
			continue
		}
		file, _ := f.FileLine(f.Entry())
		if root, ok := strings.CutSuffix(path.Dir(filepath.ToSlash(file)), "/"+rel); ok && path.IsAbs(root) {
			siteRoot.Store(&root)
			return
		}
	}
}

// modulePath returns the path of the service's module, as the build recorded it.
var modulePath = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
		return info.Main.Path
	}
	return HostModule()
})

// HostModule returns the path of the module that the host is part of.
func HostModule() string { return path.Dir(reflect.TypeFor[app.Boot]().PkgPath()) }

// hostRoot is where the host's own sources were when they were compiled: a folder, or with -trimpath the module's path and
// version.
var hostRoot = sync.OnceValue(func() string {
	_, file, _, _ := runtime.Caller(0)
	root, ok := strings.CutSuffix(path.Dir(filepath.ToSlash(file)), "/infra/host/application")
	if !ok {
		return ""
	}
	return root
})

// FromRoot shortens the names of source files in text: those of the service begin at its module's root, those of the host
// with the path of its module.
func FromRoot(text string) string {
	return sourceFile.ReplaceAllStringFunc(text, func(name string) string {
		if root := siteRoot.Load(); root != nil {
			if rel, ok := strings.CutPrefix(name, *root+"/"); ok {
				return rel
			}
		}
		if rel, ok := strings.CutPrefix(name, hostRoot()+"/"); ok && hostRoot() != "" {
			name = HostModule() + "/" + rel
		}
		if slices.ContainsFunc(nestedModules(), func(nested string) bool { return strings.HasPrefix(name, nested+"/") }) {
			return name
		}
		return strings.TrimPrefix(name, modulePath()+"/")
	})
}

// nestedModules returns the paths of other modules of the service that begin with the path of its own.
var nestedModules = sync.OnceValue(func() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	return modulesBelow(modulePath(), info.Deps)
})

func modulesBelow(own string, deps []*debug.Module) (nested []string) {
	for _, dep := range deps {
		if strings.HasPrefix(dep.Path, own+"/") {
			nested = append(nested, dep.Path)
		}
	}
	return nested
}
