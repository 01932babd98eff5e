package application

import (
	"reflect"

	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/config"
)

// Sections returns the sections of settings that the domains among modules have, for config.Load. It builds nothing.
func Sections(modules fx.Option) []config.Section { return takeInventory(modules).sections() }

func (inv *inventory) sections() []config.Section {
	var all []config.Section
	for _, d := range inv.domains {
		for _, s := range d.settings {
			all = append(all, config.Section{Name: d.Name, Type: s.Type, Source: s.Source})
		}
	}
	return all
}

// valuesOf returns the settings of the domains, for [app.Settings].
func valuesOf(cfg config.Config) app.SettingsValues {
	values := app.SettingsValues{}
	for _, settings := range cfg.Own() {
		values[reflect.TypeOf(settings)] = settings
	}
	return values
}

// addSettings adds settings to d; nil is no domain.
func (inv *inventory) addSettings(s app.SettingsPart, d *domain) {
	if d == nil {
		inv.strays = append(inv.strays, "app.Settings ("+s.Source+")")
		return
	}
	d.settings = append(d.settings, s)
	d.rest = append(d.rest, s)
}

// isSettings reports whether t looks like the settings of a domain: a struct with fields that have keys.
func isSettings(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || isParameterObject(t) {
		return false
	}
	for f := range t.Fields() {
		if f.Tag.Get("key") != "" {
			return true
		}
	}
	return false
}
