package application

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"plugboard/app"
	"plugboard/infra/eventbus"
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
	for _, s := range a.parts.Server.Schemes() {
		d.SecuritySchemes = append(d.SecuritySchemes, manifest.SecurityScheme(s))
	}
	for _, domain := range a.inv.domains {
		tables, err := a.tableManifests(domain.models)
		if err != nil {
			return manifest.Service{}, err
		}
		d.Domains = append(d.Domains, manifest.Domain{
			Name: domain.Name, Source: FromRoot(domain.Source), Plugins: pluginManifests(domain.plugins), Tables: tables,
			Permissions: permissionManifests(domain.permits),
		})
	}
	for _, l := range a.Loops() {
		d.Loops = append(d.Loops, manifest.Loop{Name: l.ID(), Plugin: l.Plugin.Name, Source: FromRoot(l.Source)})
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

func permissionManifests(permits app.Permissions) (all []manifest.Permission) {
	for _, p := range permits {
		all = append(all, manifest.Permission{Name: p.Name, Meaning: p.Meaning, Source: FromRoot(p.Source)})
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

func (a *App) eventsManifest() manifest.Events {
	e := manifest.Events{
		Publications: []manifest.Publication{}, Subscriptions: []manifest.Subscription{}, Answers: []manifest.Answer{},
		Schedules: []manifest.Schedule{}, DeadLetter: deadLetter(),
	}
	for _, p := range a.booted {
		for _, pub := range p.Boot.Publications() {
			e.Publications = append(e.Publications, publicationManifest(pub))
		}
		for _, answer := range p.Boot.Answers() {
			e.Answers = append(e.Answers, manifest.Answer{
				Topic: answer.Responder.Topic(), Plugin: answer.Plugin.Name, Source: FromRoot(answer.Source),
				Query: payloadOf(answer.Responder.QueryType()), Answer: payloadOf(answer.Responder.AnswerType()),
			})
		}
	}
	for _, s := range a.parts.Bus.Subscriptions() {
		e.Subscriptions = append(e.Subscriptions, a.subscriptionManifest(s))
	}
	for _, s := range a.parts.Bus.Schedules() {
		e.Schedules = append(e.Schedules, manifest.Schedule{Spec: s.Spec, Subscription: a.subscriptionManifest(eventbus.Subscribed{
			Subscription: app.Subscription{Plugin: s.Plugin, Source: s.Source, Subscriber: s.Subscriber, Options: s.Options}, Effective: s.Effective,
		})})
	}
	return e
}

func (a *App) subscriptionManifest(s eventbus.Subscribed) manifest.Subscription {
	j := manifest.Subscription{
		Name: s.Effective.Name, Topic: s.Effective.Topic, Plugin: s.Plugin.Name, Source: FromRoot(s.Source),
		Durable: !s.Options.Volatile, Tx: s.Effective.Tx, Block: s.Effective.Block, Formerly: s.Effective.Formerly,
		Concurrency: s.Effective.Concurrency, Attempts: s.Effective.Attempts,
		BackoffMin: s.Effective.BackoffMin.String(), BackoffMax: s.Effective.BackoffMax.String(), Timeout: s.Effective.Timeout.String(),
		Payload: payloadOf(s.Subscriber.EventType()),
	}
	if s.Effective.Tx && s.Options.Timeout == 0 {
		j.Timeout, j.OnSQLite = a.cfg.Events.Timeout.String(), a.cfg.Events.TxTimeout.String()
	}
	return j
}

func publicationManifest(p app.Publication) manifest.Publication {
	t := reflect.TypeOf(p.Event)
	_, keyed := p.Event.(app.Keyed)
	return manifest.Publication{
		Topic: p.Event.Topic(), Plugin: p.Plugin.Name, Source: FromRoot(p.Source),
		Ordered: keyed, KeyFields: keyFields(t), Payload: payloadOf(t),
	}
}

// keyFields returns the JSON names of the fields that the key of an event consists of. It sets one field of an empty
// event after the other: a field belongs to the key when the key changes. It returns nothing when an empty event has no
// key.
func keyFields(t reflect.Type) []string {
	zero, ok := keyOf(reflect.New(t).Elem())
	if !ok {
		return nil
	}
	var names []string
	for _, m := range membersOf(t) {
		v := reflect.New(t).Elem()
		f := v.FieldByName(m.Field)
		if !f.IsValid() {
			continue
		}
		schema.Fill(f)
		if key, ok := keyOf(v); ok && key != zero {
			names = append(names, m.Name)
		}
	}
	return names
}

// keyOf returns the key of an event, and false when Key panics.
func keyOf(event reflect.Value) (key string, ok bool) {
	defer func() {
		if recover() != nil {
			key, ok = "", false
		}
	}()
	keyed, ok := reflect.TypeAssert[app.Keyed](event)
	if !ok {
		return "", false
	}
	return keyed.Key(), true
}
