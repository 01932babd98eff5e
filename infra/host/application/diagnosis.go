package application

import (
	"errors"
	"fmt"
	"io"
	"log"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"go.uber.org/multierr"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/httpserver"
	"plugboard/infra/workpool"
)

// diagnosis finds everything that is wrong with a graph that could not be built. Fx stops at the first problem. So the
// diagnosis validates each plugin by itself, leaves out the broken ones, and builds the rest.
type diagnosis struct {
	cfg      config.Config
	inv      *inventory
	extra    fx.Option
	broken   map[*plugin]bool
	problems []error
}

// run finds out why building a failed with err, and returns what the plugins registered. It boots plugins that cannot be
// constructed as zero values: OnBoot registers methods and does not run them.
func (d *diagnosis) run(err error, a *App) []app.BootedPlugin {
	d.broken = map[*plugin]bool{}
	if d.shapes(err, a.events.failed); len(d.broken) == 0 {
		d.missing()
	}
	if len(d.problems) == 0 || len(d.broken) > 0 {
		d.build(err, a)
	}
	return d.boot(a)
}

// shapes keeps the errors that come from no missing or failed part: constructors of the wrong shape, fx.Error, and
// invoked functions, which Fx does not name.
func (d *diagnosis) shapes(err error, invoked string) {
	if isGraphError(err) {
		return
	}
	if invoked != "" && !strings.Contains(err.Error(), "host.Middleware (") {
		err = fmt.Errorf("%s: %w", invoked, err)
	}
	for _, e := range multierr.Errors(err) {
		if isGraphError(e) {
			e = errors.New(plainGraphError(e))
		}
		d.problems = append(d.problems, e)
	}
	for _, p := range d.inv.plugins {
		if !hasConstructor(p) {
			d.broken[p] = true
		}
	}
}

// missing validates the needs of the host, of the modules and of each plugin. It constructs nothing.
func (d *diagnosis) missing() {
	if missing := d.missingParts(); len(missing) > 0 {
		d.problems = append(d.problems, missing...)
		return // every plugin would be reported as well
	}
	if err := d.validate(fx.Options(), nil); err != nil {
		d.problems = append(d.problems, errors.New(plainGraphError(err)))
	}
	if d.isCycle() {
		return // every validation reports the cycle
	}
	for _, p := range d.inv.plugins {
		if problems := d.missingOf(p); len(problems) > 0 {
			d.broken[p] = true
			d.problems = append(d.problems, problems...)
		}
	}
}

func (d *diagnosis) isCycle() bool {
	return len(d.problems) > 0 && cycle.MatchString(d.validateError())
}

func (d *diagnosis) validateError() string {
	if err := d.validate(fx.Options(), nil); err != nil {
		return err.Error()
	}
	return ""
}

// missingParts names the infrastructure modules that main.go does not list.
func (d *diagnosis) missingParts() []error {
	needs := []struct {
		part   reflect.Type
		module string
	}{
		{reflect.TypeFor[*zap.Logger](), "logging"},
		{reflect.TypeFor[*database.DB](), "database"},
		{reflect.TypeFor[*eventbus.Bus](), "eventbus"},
		{reflect.TypeFor[*workpool.Pool](), "workpool"},
		{reflect.TypeFor[*httpserver.Server](), "httpserver"},
	}
	var problems []error
	for _, n := range needs {
		direct := missingDirectly(d.validate(fx.Module("need", fx.Invoke(needing(n.part))), nil), n.part)
		if direct {
			problems = append(problems, fmt.Errorf("nothing provides %s; list %s.Module in main.go", n.part, n.module))
		}
	}
	return problems
}

// missingOf names the parameters of p's constructor that nothing provides.
func (d *diagnosis) missingOf(p *plugin) []error {
	constructor := reflect.TypeOf(p.Info.Constructor)
	var problems []error
	for i := range constructor.NumIn() {
		if constructor.IsVariadic() && i == constructor.NumIn()-1 {
			continue // Fx fills it when it can
		}
		for _, need := range needsOf(constructor.In(i)) {
			if cause, ok := unmet(d.validate(p.asking(need), p.domain), d.validate(fx.Invoke(needing(need)), nil)); ok {
				if isSettings(need) {
					cause = fmt.Sprintf("the settings %s, which no domain has; add app.Settings[%s]() to the domain", need, need)
				}
				problems = append(problems, fmt.Errorf("plugin %s (%s) needs %s", p.Info.Name, p.Info.Source, cause))
			}
		}
	}
	return problems
}

// asking returns an option that asks for need in the place of p. Fx runs the invokes of a module before those of the
// modules listed after it, so this one runs first.
func (p *plugin) asking(need reflect.Type) fx.Option {
	ask := fx.Module(p.Info.Name,
		fx.Provide(fx.Private,
			func(*app.Registrar) app.Bus { return nil },
			func(*app.Registrar) *zap.Logger { return nil },
			func(*app.Registrar) prometheus.Registerer { return nil },
		),
		fx.Invoke(needing(need)),
	)
	if p.domain == nil {
		return ask
	}
	return fx.Module(p.domain.Name, append([]fx.Option{ask}, p.domain.rest...)...)
}

// validate validates the modules without their plugins; ask comes before them. When ask has the rest of a domain, that domain is not listed
// again: what it provides to all would be provided twice.
func (d *diagnosis) validate(ask fx.Option, has *domain) error {
	inv := *d.inv
	inv.domains = slices.DeleteFunc(slices.Clone(inv.domains), func(other *domain) bool { return other == has })
	everyone := func(*plugin) bool { return true }
	return fx.ValidateApp(ask, graphOptions(d.cfg, d.inv), fx.NopLogger,
		fx.Provide(func() *app.Registrar { return nil }),
		fx.Logger(log.New(io.Discard, "", 0)), // as in assemble
		inv.options(everyone), d.extra)
}

// needsOf returns the needs of one parameter: the parameter itself, or each field of a parameter object (fx.In) that is
// not optional, as a parameter object of its own.
func needsOf(parameter reflect.Type) []reflect.Type {
	if !isParameterObject(parameter) {
		return []reflect.Type{parameter}
	}
	var needs []reflect.Type
	for f := range parameter.Fields() {
		if f.Type == reflect.TypeFor[fx.In]() || f.Tag.Get("optional") == "true" || !f.IsExported() {
			continue
		}
		if f.Tag == "" {
			needs = append(needs, f.Type)
			continue
		}
		in := reflect.StructField{Name: "In", Type: reflect.TypeFor[fx.In](), Anonymous: true}
		needs = append(needs, reflect.StructOf([]reflect.StructField{in, f}))
	}
	return needs
}

func isParameterObject(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	f, ok := t.FieldByName("In")
	return ok && f.Anonymous && f.Type == reflect.TypeFor[fx.In]()
}

// needing makes a function whose one parameter is t.
func needing(t reflect.Type) any {
	f := reflect.FuncOf([]reflect.Type{t}, nil, false)
	return reflect.MakeFunc(f, func([]reflect.Value) []reflect.Value { return nil }).Interface()
}

// build builds the graph without the broken plugins. When a constructor fails, it leaves its plugin out and builds
// again, until the rest can be built.
func (d *diagnosis) build(err error, a *App) {
	for {
		if len(d.broken) > 0 {
			again := assemble(d.cfg, d.inv, fx.Options(d.inv.options(d.isBroken), d.extra))
			a.parts, a.registrar, err = again.parts, again.registrar, again.fx.Err()
			if err == nil {
				return
			}
		}
		text := plainGraphError(err)
		d.problems = append(d.problems, errors.New(text))
		p := d.failed(err)
		if p == nil || d.broken[p] {
			return
		}
		d.problems[len(d.problems)-1] = fmt.Errorf("plugin %s (%s): %s", p.Info.Name, p.Info.Source, text)
		d.broken[p] = true
	}
}

func (d *diagnosis) isBroken(p *plugin) bool { return d.broken[p] }

// failed returns the plugin whose constructor failed, or nil.
func (d *diagnosis) failed(err error) *plugin {
	name := failedFunction(err)
	for _, p := range d.inv.plugins {
		if name != "" && hasConstructor(p) && functionName(p.Info.Constructor) == name {
			return p
		}
	}
	return nil
}

func functionName(f any) string { return runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name() }

func hasConstructor(p *plugin) bool {
	t := reflect.TypeOf(p.Info.Constructor)
	return t != nil && t.Kind() == reflect.Func && t.NumOut() > 0 && t.Out(0) == p.Info.Type
}

// boot returns what every plugin registered, in the order of the list. A plugin that was not constructed is booted as a
// zero value; it is left out if that panics.
func (d *diagnosis) boot(a *App) []app.BootedPlugin {
	done := map[string]app.BootedPlugin{}
	if a.registrar != nil {
		for _, b := range a.registrar.Plugins() {
			done[b.Boot.Plugin().Name] = b
		}
	}
	var all []app.BootedPlugin
	for _, p := range d.inv.plugins {
		b, ok := done[p.Info.Name]
		if !ok {
			b = bootZero(p)
		}
		if b.Boot != nil {
			all = append(all, b)
		}
	}
	return all
}

func bootZero(p *plugin) app.BootedPlugin {
	info := p.Info
	zero := reflect.Zero(info.Type)
	if info.Type.Kind() == reflect.Pointer {
		zero = reflect.New(info.Type.Elem())
	}
	booter, ok := reflect.TypeAssert[app.Booter](zero)
	if !ok {
		return app.BootedPlugin{}
	}
	booted := app.BootPlugin(info, booter, p.domain.everyOf()...)
	if booted.Err != nil {
		return app.BootedPlugin{}
	}
	return booted
}
