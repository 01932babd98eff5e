package message

import (
	"context"
	"maps"

	"plugboard/app"
)

// Delivery is a message on its way to one subscription. It implements app.DeliverySource.
type Delivery struct {
	*Message
	// Subscription is the subscription that gets the message.
	Subscription *Subscription
	// Attempt counts from 1.
	Attempt int
	// Claim is the outbox's claim on the delivery; zero for a volatile delivery.
	Claim Claim

	// used is true if a run has used ctx.
	used bool
	ctx  app.DeliveryContext
}

// Claim is the right of one process to handle a stored delivery.
type Claim struct {
	// Token grows with each claim of the delivery. A process whose token is not the latest cannot complete the delivery.
	Token int64
	// Crashes is how many processes in a row crashed while they held the delivery. SoloCrashes is how many of these crashed after the
	// handler had begun in quarantine.
	Crashes, SoloCrashes int16
	// Completed is true if the handler's transaction has completed the delivery.
	Completed bool
}

// quarantineAfter is the number of crashes in a row after which a delivery is quarantined.
const quarantineAfter = 2

// Quarantined reports whether so many processes have crashed with the delivery that its handler may be the cause.
func (c Claim) Quarantined() bool { return c.Crashes >= quarantineAfter }

// Context returns the context for the next run: ctx, with source for app.DeliveryFrom. For the first run, the context lies in the
// delivery itself, which saves an allocation. Each later run gets a new context, since a handler may have kept the first one. The runs
// of a delivery come one after the other.
func (d *Delivery) Context(ctx context.Context, source app.DeliverySource) *app.DeliveryContext {
	run := &d.ctx
	if d.used {
		run = &app.DeliveryContext{}
	}
	d.used = true
	run.Init(ctx, source)
	return run
}

// Delivery implements app.DeliverySource. It copies the headers, since all handlers share the headers of the message.
func (d *Delivery) Delivery() app.Delivery {
	return app.Delivery{
		EventID: d.ID(), Topic: d.Topic, Key: d.Key, Subscription: d.Subscription.Name, Attempt: d.Attempt,
		Emitter: d.Emitter, Parent: d.Parent, RequestID: d.RequestID, Principal: d.Principal, Trace: d.Trace, Time: d.Time.UTC(),
		Headers: maps.Clone(d.Headers),
	}
}

// Complete implements app.DeliverySource.
func (d *Delivery) Complete(ctx context.Context) error {
	if d.Subscription.Complete == nil {
		return nil
	}
	return d.Subscription.Complete(ctx, d)
}

// NewCall implements app.DeliverySource. The call has no principal, since a subscriber acts as itself, but what it publishes keeps the
// one at the beginning of the chain.
func (d *Delivery) NewCall() *app.Call {
	return &app.Call{Plugin: d.Subscription.Plugin, RequestID: d.RequestID, Cause: d.Principal, Trace: d.Trace, Memory: d.Subscription.Memory}
}
