package app

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"go.uber.org/zap"
)

// Booter is what every plugin implements. OnBoot runs once, while the application is put together; it
// only calls methods of b. It does no I/O, starts no goroutines and does not look at the environment:
// what it registers takes effect when the application starts, after the host has checked the whole set.
type Booter interface {
	OnBoot(b *Boot)
}

// PluginModule is a plugin as an fx.Option: an fx.Module with a private constructor and an fx.Invoke of
// OnBoot. It carries its description beside the option, so that the host can look into it.
type PluginModule struct {
	fx.Option
	Info PluginInfo
}

// Plugin declares a plugin of type P with the given name, "<domain>.<file>". The constructor is a
// function that returns a P, or a P and an error; Fx resolves its parameters by type. Each plugin gets a [Bus], a *zap.Logger and a
// prometheus.Registerer of its own, which know its name. The package's documentation lists what else there is to ask for.
//
// Plugin is the long form
//
//	fx.Module(name, fx.Provide(fx.Private, constructor), fx.Invoke(on boot))
//
// written once. A constructor of the wrong shape is a start error.
func Plugin[P Booter](name string, constructor any) PluginModule {
	info := PluginInfo{Name: name, Type: reflect.TypeFor[P](), Constructor: constructor, Source: caller(1)}
	if err := checkConstructor(info); err != nil {
		return PluginModule{Option: fx.Error(err), Info: info}
	}
	return PluginModule{
		Option: fx.Module(name,
			fx.Provide(fx.Private,
				constructor,
				// One function provides both: each function that provides something costs Fx more than each type it
				// provides.
				func(r *Registrar) (Bus, *zap.Logger, prometheus.Registerer) {
					return r.busFor(name), r.loggerFor(name), r.metricsFor(name)
				},
			),
			fx.Invoke(func(p P, r *Registrar) { r.boot(info, p) }),
		),
		Info: info,
	}
}

func checkConstructor(info PluginInfo) error {
	t := reflect.TypeOf(info.Constructor)
	switch {
	case t == nil || t.Kind() != reflect.Func:
		return fmt.Errorf("plugin %s (%s): the constructor must be a function that returns %s", info.Name, info.Source, info.Type)
	case t.NumOut() == 1 && t.Out(0) == info.Type,
		t.NumOut() == 2 && t.Out(0) == info.Type && t.Out(1) == reflect.TypeFor[error]():
		return nil
	default:
		return fmt.Errorf("plugin %s (%s): the constructor must return %s, or %s and an error", info.Name, info.Source, info.Type, info.Type)
	}
}

// Shutdowner is implemented by plugins that have something to end. Shutdown runs once when the
// application stops, after requests and subscribers have been drained and before the database is
// closed; it must return when ctx is done.
type Shutdowner interface {
	Shutdown(ctx context.Context) error
}

// caller returns where the function that calls it was called, skip frames further up: "import/path/file.go:line". The
// name begins with the package's import path, so it is the same on every machine, however the binary was built.
func caller(skip int) string {
	const own = 2 // runtime.Callers and caller
	var pcs [1]uintptr
	if runtime.Callers(skip+own, pcs[:]) == 0 {
		return "unknown source"
	}
	frame, _ := runtime.CallersFrames(pcs[:]).Next()
	return fmt.Sprintf("%s:%d", path.Join(packageOf(frame.Function), filepath.Base(frame.File)), frame.Line)
}

// packageOf returns the import path of the package that a function belongs to; an external test's is that of the package
// it tests. The names of functions are "import/path.Name", with the dots of the last element escaped, and those of a
// command "main.Name".
func packageOf(function string) string {
	function, _, _ = strings.Cut(function, "[") // type arguments have paths of their own
	folder := strings.LastIndexByte(function, '/') + 1
	last, _, _ := strings.Cut(function[folder:], ".")
	last = strings.ReplaceAll(last, "%2e", ".")
	switch pkg := strings.TrimSuffix(function[:folder]+last, "_test"); pkg {
	case "main":
		return mainPackage()
	default:
		return pkg
	}
}

// mainPackage returns the import path of the binary's main package, "main" when the build did not record it.
func mainPackage() string {
	info, ok := debug.ReadBuildInfo()
	switch {
	case !ok || info.Path == "":
		return "main"
	case info.Path == "command-line-arguments": // go run main.go
		return info.Main.Path
	}
	return info.Path
}
