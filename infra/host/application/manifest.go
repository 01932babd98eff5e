package application

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"plugboard/app"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/schema"
)

// Manifest describes the application before its start. The settings and commands are missing: package cli adds them.
func (a *App) Manifest() (manifest.Service, error) {
	endpoints, components, err := a.endpoints()
	if err != nil {
		return manifest.Service{}, err
	}
	d := manifest.Service{Endpoints: endpoints, Components: components, Events: a.eventsManifest(), Domains: []manifest.Domain{}}
	for _, domain := range a.inv.domains {
		tables, err := a.tableManifests(domain.models)
		if err != nil {
			return manifest.Service{}, err
		}
		d.Domains = append(d.Domains, manifest.Domain{
			Name: domain.Name, Source: FromRoot(domain.Source), Plugins: pluginManifests(domain.plugins), Tables: tables,
		})
	}
	var strays []*plugin
	for _, p := range a.inv.plugins {
		if p.domain == nil {
			strays = append(strays, p)
		}
	}
	if len(strays) > 0 {
		d.Domains = append(d.Domains, manifest.Domain{Plugins: pluginManifests(strays), Tables: []manifest.Table{}})
	}
	return d, nil
}

func pluginManifests(plugins []*plugin) []manifest.Plugin {
	all := make([]manifest.Plugin, len(plugins))
	for i, p := range plugins {
		pkg, name := typeName(p.Info.Type)
		all[i] = manifest.Plugin{Name: p.Info.Name, Source: FromRoot(p.Info.Source), Package: pkg, Struct: name, Needs: []string{}}
		for _, need := range constructorNeeds(p.Info) {
			all[i].Needs = append(all[i].Needs, need.String())
		}
	}
	return all
}

// typeName returns the package and the name of t, or of what t points to.
func typeName(t reflect.Type) (pkg, name string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath(), t.Name()
}

func (a *App) tableManifests(models []any) ([]manifest.Table, error) {
	all := make([]manifest.Table, len(models))
	for i, model := range models {
		t, err := a.DB().TableOf(model)
		if err != nil {
			return nil, fmt.Errorf("describe tables: %w", err)
		}
		pkg, name := typeName(reflect.TypeOf(model))
		all[i] = manifest.Table{Name: t.Name, Package: pkg, Struct: name, Uniques: append([]string{}, t.Uniques...)}
		for _, c := range t.Columns {
			all[i].Columns = append(all[i].Columns, manifest.Column{Name: c.Name, Field: c.Field, Type: c.Type, Key: c.Key, Null: c.Null})
		}
	}
	return all, nil
}

func payloadOf(t reflect.Type) manifest.Payload {
	return manifest.Payload{Package: t.PkgPath(), Struct: t.Name(), Schema: schema.Inline(t), Fields: membersOf(t)}
}

func membersOf(t reflect.Type) []manifest.Member {
	all := []manifest.Member{}
	for f := range t.Fields() {
		tag, tagged := f.Tag.Lookup("json")
		name, _, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct:
			all = append(all, membersOf(f.Type)...)
		case f.IsExported() && tag != "-":
			all = append(all, manifest.Member{Name: cmp.Or(name, f.Name), Struct: t.Name(), Field: f.Name})
		}
	}
	return all
}

// deadLetter describes the event that the host itself publishes.
func deadLetter() manifest.Payload { return payloadOf(reflect.TypeFor[app.DeadLetter]()) }

func constructorNeeds(p app.PluginInfo) []reflect.Type {
	var needs []reflect.Type
	constructor := reflect.TypeOf(p.Constructor)
	for parameter := range constructor.Ins() {
		needs = append(needs, needsOf(parameter)...)
	}
	return needs
}
