package message

import (
	"context"
	"maps"

	"plugboard/app"
)

// Delivery is a message on its way to one subscription. It implements app.DeliverySource.
type Delivery struct {
	*Message
	// Subscription is who the message is for.
	Subscription *Subscription
	// Attempt counts from 1.
	Attempt int
	// Claim is the outbox's hold on the delivery; zero for a volatile one.
	Claim Claim

	// used tells that ctx has served a run.
	used bool
	ctx  app.DeliveryContext
}

// Claim is the right of one process to handle a stored delivery.
type Claim struct {
	// Token grows with each claim of the delivery. A process whose token is not the latest cannot complete it.
	Token int64
	// Crashes is how many processes in a row ended while they held the delivery. SoloCrashes is how many of them ended after its
	// handler had begun in quarantine.
	Crashes, SoloCrashes int16
	// Completed tells that the handler's transaction has completed the delivery.
	Completed bool
}

// quarantineAfter is after how many crashes in a row a delivery is quarantined.
const quarantineAfter = 2

// Quarantined reports whether so many processes crashed in a row while they held the delivery that its handler may be the cause.
func (c Claim) Quarantined() bool { return c.Crashes >= quarantineAfter }

// Context returns the context of the next run: ctx, with source behind app.DeliveryFrom. It is the same memory for the first
// run only, since an earlier run may have stored its context somewhere. The runs of a delivery come one after the other.
func (d *Delivery) Context(ctx context.Context, source app.DeliverySource) *app.DeliveryContext {
	run := &d.ctx
	if d.used {
		run = &app.DeliveryContext{}
	}
	d.used = true
	run.Init(ctx, source)
	return run
}

// Delivery implements app.DeliverySource. It copies the headers, since all handlers share those of the message.
func (d *Delivery) Delivery() app.Delivery {
	return app.Delivery{
		EventID: d.ID(), Topic: d.Topic, Key: d.Key, Subscription: d.Subscription.Name, Attempt: d.Attempt,
		Emitter: d.Emitter, Parent: d.Parent, RequestID: d.RequestID, Trace: d.Trace, Time: d.Time.UTC(), Headers: maps.Clone(d.Headers),
	}
}

// Complete implements app.DeliverySource.
func (d *Delivery) Complete(ctx context.Context) error {
	if d.Subscription.Complete == nil {
		return nil
	}
	return d.Subscription.Complete(ctx, d)
}

// NewCall implements app.DeliverySource.
func (d *Delivery) NewCall() *app.Call {
	return &app.Call{Plugin: d.Subscription.Plugin, RequestID: d.RequestID, Trace: d.Trace, Memory: d.Subscription.Memory}
}
