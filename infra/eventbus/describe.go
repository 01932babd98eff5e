package eventbus

import "plugboard/app"

// Subscribed is a subscription as it takes effect.
type Subscribed struct {
	app.Subscription

	// Group has the subscription's options, and the settings where the plugin gave none. Its timeout is that of the
	// configured database.
	Group Group
}

// Subscriptions returns what the plugins subscribed to, in their order. It is for use after [Bus.Check].
func (b *Bus) Subscriptions() []Subscribed {
	all := make([]Subscribed, len(b.wiring.subscriptions))
	for i, s := range b.wiring.subscriptions {
		all[i] = Subscribed{Subscription: s.Subscription, Group: b.group(s)}
	}
	return all
}

// Scheduled is a schedule as it takes effect.
type Scheduled struct {
	app.Schedule

	// Group has what is delivered to: its name is that of the schedule.
	Group Group
}

// Schedules returns the plugins' schedules, in their order. It is for use after [Bus.Check].
func (b *Bus) Schedules() []Scheduled {
	all := make([]Scheduled, len(b.wiring.schedules))
	for i, sc := range b.wiring.schedules {
		all[i] = Scheduled{Group: b.group(sc.subscription), Schedule: app.Schedule{
			Plugin: sc.Plugin, Source: sc.Source, Spec: sc.spec, Subscriber: sc.Subscriber, Options: sc.options,
		}}
	}
	return all
}
