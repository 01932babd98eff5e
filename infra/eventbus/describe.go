package eventbus

import (
	"plugboard/app"
	"plugboard/infra/eventbus/admin"
	"plugboard/infra/eventbus/internal/message"
)

// Subscribed is a subscription with its effective options.
type Subscribed struct {
	app.Subscription

	// Effective has the options of the subscription. The settings give the options that the plugin left out. The timeout is the timeout
	// for the configured database.
	Effective message.Subscription
}

// Subscriptions returns the subscriptions of the plugins, in their order. It is called after [Bus.Check].
func (b *Bus) Subscriptions() []Subscribed {
	all := make([]Subscribed, len(b.wiring.subscriptions))
	for i, s := range b.wiring.subscriptions {
		all[i] = Subscribed{Subscription: s.Subscription, Effective: b.effective(s)}
	}
	return all
}

// Scheduled is a schedule with its effective options.
type Scheduled struct {
	app.Schedule

	// Effective is the subscription that handles the events of the schedule. It has the schedule's name.
	Effective message.Subscription
}

// Admin returns the operations on stored deliveries. They record their changes as made by actor. Admin is called after [Bus.Check].
func (b *Bus) Admin(actor string) *admin.Admin {
	known := make(map[string]bool)
	for _, s := range b.wiring.handlers() {
		known[s.name] = !s.Options.Volatile
	}
	var schedules []admin.KnownSchedule
	for _, sc := range b.wiring.schedules {
		if !sc.Options.Volatile {
			schedules = append(schedules, admin.KnownSchedule{Name: sc.name, Spec: sc.spec, Plugin: sc.Plugin.Name, Times: sc.times})
		}
	}
	return admin.New(b.outbox.Store(), actor, known, schedules, b.cfg.Lease, b.cfg.Park)
}

// Schedules returns the plugins' schedules, in their order. It is called after [Bus.Check].
func (b *Bus) Schedules() []Scheduled {
	all := make([]Scheduled, len(b.wiring.schedules))
	for i, sc := range b.wiring.schedules {
		all[i] = Scheduled{Effective: b.effective(sc.subscription), Schedule: app.Schedule{
			Plugin: sc.Plugin, Source: sc.Source, Spec: sc.spec, Subscriber: sc.Subscriber, Options: sc.Options,
		}}
	}
	return all
}
