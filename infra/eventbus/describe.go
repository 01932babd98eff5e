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
