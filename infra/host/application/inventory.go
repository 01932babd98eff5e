package application

import (
	"io/fs"
	"reflect"

	"go.uber.org/fx"

	"plugboard/app"
)

// inventory holds the domains and plugins among the listed modules. It looks into fx.Options; it keeps any other
// fx.Option as it is.
type inventory struct {
	domains []*domain
	plugins []*plugin
	rest    []fx.Option // outside of domains, without plugins
	strays  []string    // parts of domains that are outside of one
}

// domain is one listed domain.
type domain struct {
	app.DomainModule
	migrations []fs.FS
	models     []any
	settings   []app.SettingsPart
	every      []app.EveryPart
	permits    app.Permissions
	plugins    []*plugin
	rest       []fx.Option // its parts without plugins
}

// plugin is one listed plugin; its domain is nil when it is listed outside of one.
type plugin struct {
	app.PluginModule
	domain *domain
}

// takeInventory collects the domains and plugins of modules.
func takeInventory(modules fx.Option) *inventory {
	inv := &inventory{}
	inv.add(modules, nil)
	return inv
}

// add adds one option; it is a part of d unless d is nil.
func (inv *inventory) add(option fx.Option, d *domain) {
	switch o := option.(type) {
	case app.DomainModule:
		inv.addDomain(o)
	case app.PluginModule:
		inv.addPlugin(o, d)
	case app.MigrationsPart:
		if d == nil {
			inv.strays = append(inv.strays, "app.Migrations")
			return
		}
		d.migrations = append(d.migrations, o.FS)
	case app.ModelsPart:
		if d == nil {
			inv.strays = append(inv.strays, "app.Models")
			return
		}
		d.models = append(d.models, o.Models...)
	case app.SettingsPart:
		inv.addSettings(o, d)
	case app.PermissionPart:
		if d == nil {
			inv.strays = append(inv.strays, "app.Permission")
			return
		}
		d.permits = append(d.permits, o)
	case app.EveryPart:
		if d != nil { // otherwise checkEveries reports it
			d.every = append(d.every, o)
		}
	default:
		if inv.addGroup(option, d) {
			return
		}
		inv.addRest(option, d)
	}
}

func (inv *inventory) addDomain(o app.DomainModule) {
	d := &domain{DomainModule: o}
	inv.domains = append(inv.domains, d)
	for _, part := range o.Parts {
		inv.add(part, d)
	}
}

func (inv *inventory) addPlugin(o app.PluginModule, d *domain) {
	p := &plugin{PluginModule: o, domain: d}
	inv.plugins = append(inv.plugins, p)
	if d != nil {
		d.plugins = append(d.plugins, p)
	}
}

func (inv *inventory) addRest(option fx.Option, d *domain) {
	if option == nil {
		return
	}
	if d != nil {
		d.rest = append(d.rest, option)
		return
	}
	inv.rest = append(inv.rest, option)
}

// permissions returns the permissions of all domains.
func (inv *inventory) permissions() (all app.Permissions) {
	for _, d := range inv.domains {
		all = append(all, d.permits...)
	}
	return all
}

// everyOf returns the options of all endpoints of a domain.
func (d *domain) everyOf() (options []app.EndpointOption) {
	if d == nil {
		return nil
	}
	for _, part := range d.every {
		for _, option := range part.Options {
			if option != nil { // which the check reports
				options = append(options, option)
			}
		}
	}
	return options
}

// addGroup adds the parts of an fx.Options, which is an unexported slice of options.
func (inv *inventory) addGroup(option fx.Option, d *domain) bool {
	v := reflect.ValueOf(option)
	if v.Kind() != reflect.Slice || v.Type().Elem() != reflect.TypeFor[fx.Option]() {
		return false
	}
	for i := range v.Len() {
		part, _ := reflect.TypeAssert[fx.Option](v.Index(i))
		inv.add(part, d)
	}
	return true
}

// options returns the modules as options again, without the plugins that leave selects.
func (inv *inventory) options(leave func(*plugin) bool) fx.Option {
	all := append([]fx.Option(nil), inv.rest...)
	for _, d := range inv.domains {
		parts := append([]fx.Option(nil), d.rest...)
		for _, p := range d.plugins {
			if !leave(p) {
				parts = append(parts, p.PluginModule)
			}
		}
		all = append(all, fx.Module(d.Name, parts...))
	}
	for _, p := range inv.plugins {
		if p.domain == nil && !leave(p) {
			all = append(all, p.PluginModule)
		}
	}
	return fx.Options(all...)
}
