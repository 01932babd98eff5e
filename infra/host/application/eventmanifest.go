package application

import (
	"reflect"

	"plugboard/app"
	"plugboard/infra/eventbus"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/schema"
)

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
