package app

import (
	"context"
	"flag"
	"fmt"
	"io"
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

// CommandCall is one call of a command.
type CommandCall struct {
	// Args are the arguments that are not flags.
	Args []string
	// In is what the caller types or pipes in. Secrets are read from here: the arguments of a process are seen by others.
	In io.Reader
	// Out is for the result, Err for what is said beside it. The log goes to the standard error too.
	Out, Err io.Writer
}

// Command gives the service's binary a command: that of the plugin accounts.create_admin is called as
// "shop accounts create-admin". It returns the command's flags, on which OnBoot declares fields of the plugin:
//
//	flags := b.Command("Create the first administrator", p.Execute)
//	flags.StringVar(&p.email, "email", "", "the administrator's `address`")
//
// A field declared so has the value of the flag when run is called. Short is shown by --help, with the flags.
//
// The host puts the application together and checks it, opens the database and runs or checks the migrations as for the
// service, runs the start hooks and starts the work pool; then it calls run, and undoes all that in reverse, the plugins'
// [Shutdowner] included. So run may use the database, [InTx], [Compute], and whatever the constructor got. It may publish:
// durable events are stored, and are handled by the running service, or at its next start; volatile ones have no
// subscribers. The command serves no port, handles no events, and runs no schedules and no loops. On Postgres it runs
// beside the service. On SQLite it fails while the service runs, since the file belongs to one process.
//
// The context has the plugin's name and a request id of this call; it ends with an interrupt, SIGTERM or SIGHUP, and has no
// deadline. An error ends the process with code 1 and is shown whole, not only the part that is meant for callers. One
// made with [Errorf] of code [Invalid], and [Violations], mean that the command was called wrongly: code 2. For
// flag.ErrHelp the help is shown: code 0. A panic is an error, whose stack is in the log.
//
// A plugin has one command, and may serve and subscribe beside. Start errors are: a second command, a plugin whose name is not
// "<domain>.<file>", a domain named like a command of the host, an empty short, a nil run, and a flag named help or h.
func (b *Boot) Command(short string, run func(ctx context.Context, call CommandCall) error) *flag.FlagSet {
	flags := flag.NewFlagSet(b.plugin.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	b.commands = append(b.commands, CommandInfo{Plugin: b.plugin, Source: caller(1), Short: short, Flags: flags, Run: run})
	return flags
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
