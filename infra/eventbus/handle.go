package eventbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"time"

	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/database"
)

var deadLetterType = reflect.TypeFor[app.DeadLetter]()

// group turns a subscription into a transport's group.
func (b *Bus) group(s *subscription) Group {
	timeout := b.cfg.Timeout
	if s.Subscriber.Tx() && b.db.Dialect() == database.SQLite {
		timeout = b.cfg.TxTimeout
	}
	return Group{
		Name: s.name, Formerly: s.options.Formerly, Topic: s.topic, Plugin: s.Plugin.Name, Source: s.Source,
		Concurrency: cmp.Or(s.options.Concurrency, b.cfg.Concurrency),
		Attempts:    cmp.Or(s.options.Attempts, b.cfg.Attempts),
		BackoffMin:  cmp.Or(s.options.BackoffMin, b.cfg.BackoffMin),
		BackoffMax:  cmp.Or(s.options.BackoffMax, b.cfg.BackoffMax),
		Timeout:     cmp.Or(s.options.Timeout, timeout),
		Block:       s.options.Block,
		Tx:          s.Subscriber.Tx(),
		Memory:      b.reserves,
		Observe:     b.meters.observer(s.name),
		Handle:      func(ctx context.Context, d *Incoming) error { return b.handle(ctx, s, d) },
	}
}

// handle gives the subscriber its event.
func (b *Bus) handle(ctx context.Context, s *subscription, d *Incoming) error {
	if b.tracer == nil {
		return b.deliver(ctx, s, d, d)
	}
	return b.traced(ctx, d, func(ctx context.Context, source app.DeliverySource) error { return b.deliver(ctx, s, d, source) })
}

func (b *Bus) deliver(ctx context.Context, s *subscription, d *Incoming, source app.DeliverySource) error {
	run := &d.ctx
	if d.used { // an earlier run may have left its context somewhere
		run = &app.DeliveryContext{}
	}
	d.used = true
	run.Init(ctx, source)
	defer run.End()
	if s.options.Volatile && s.Subscriber.Tx() {
		return b.db.InTx(run, func(ctx context.Context) error { return s.call(ctx, d.Message) })
	}
	return s.call(run, d.Message)
}

// call runs the subscriber with a struct of its own.
func (s *subscription) call(ctx context.Context, m *Message) error {
	event, err := s.event(m)
	if err != nil {
		return err
	}
	return s.Subscriber.Call(ctx, event)
}

// event makes the subscriber's struct from the published one, or from the stored JSON.
func (s *subscription) event(m *Message) (any, error) {
	event := s.Subscriber.New()
	for i := range s.codecs {
		if s.codecs[i].Reads(m.local) {
			s.codecs[i].Copy(event, m.local)
			return event, nil
		}
	}
	if !sameTopic(m.Topic, s.topic) { // another version gave the name to a subscription of another topic
		return nil, fmt.Errorf("event %s of %s: %w: %q takes %s", m.ID(), m.Topic, ErrUnreadable, s.name, s.topic)
	}
	if err := s.self.Decode(event, m.Payload); err != nil {
		return nil, fmt.Errorf("event %s of %s: %w: %w", m.ID(), m.Topic, ErrUnreadable, err)
	}
	return event, nil
}

// Delivery implements app.DeliverySource. Its headers are the caller's own: the message's are shared by all handlers.
func (d *Incoming) Delivery() app.Delivery {
	return app.Delivery{
		EventID: d.ID(), Topic: d.Topic, Key: d.Key, Subscription: d.Subscription(), Attempt: d.Attempt,
		Emitter: d.Emitter, Parent: d.Parent, RequestID: d.RequestID, Trace: d.Trace, Time: d.Time.UTC(), Headers: maps.Clone(d.Headers),
	}
}

// Complete implements app.DeliverySource.
func (d *Incoming) Complete(ctx context.Context) error {
	if d.lane.complete == nil {
		return nil
	}
	return d.lane.complete(ctx, d)
}

// NewCall implements app.DeliverySource.
func (d *Incoming) NewCall() *app.Call {
	return &app.Call{Plugin: d.lane.group.Plugin, RequestID: d.RequestID, Trace: d.Trace, Memory: d.lane.group.Memory}
}

// observer records the runs of a subscription.
func (m *meters) observer(name string) func(int, time.Duration, error) {
	ok, failed := m.handled.of(name, "ok"), m.handled.of(name, "error")
	return func(n int, took time.Duration, err error) {
		outcome := ok
		if err != nil {
			outcome = failed
		}
		outcome.observe(n, took)
	}
}

// failed logs a failed run of a handler.
func (b *Bus) failed(d *Incoming, err error) {
	fields := []zap.Field{
		zap.String("plugin", d.lane.group.Plugin), zap.String("subscription", d.Subscription()), zap.String("event", d.ID()),
		zap.Int("attempt", d.Attempt), zap.String("request_id", d.RequestID), zap.Error(err),
	}
	if p, ok := errors.AsType[*panicError](err); ok {
		fields = append(fields, zap.ByteString("stack", p.stack))
	}
	b.log.Warn("event handler failed", fields...)
}

// overdue logs a run that goes on although its time is over.
func (b *Bus) overdue(d *Incoming, took time.Duration) {
	b.log.Warn("an event handler is overdue and has not returned: its subscription handles fewer events, or none, until it does",
		zap.String("plugin", d.lane.group.Plugin), zap.String("subscription", d.Subscription()), zap.String("event", d.ID()),
		zap.Duration("running_for", took), zap.Duration("timeout", d.lane.group.Timeout))
}

func (b *Bus) logDead(d *Incoming, err error) {
	b.meters.dead.WithLabelValues(d.Subscription()).Inc()
	b.log.Error("event delivery is dead", zap.String("plugin", d.lane.group.Plugin), zap.String("subscription", d.Subscription()),
		zap.String("event", d.ID()), zap.String("topic", d.Topic), zap.Int("attempts", d.Attempt), zap.Error(err))
}

// deadVolatile announces a dead volatile delivery; a durable one is announced in the transaction that made it so.
func (b *Bus) deadVolatile(d *Incoming, err error) {
	b.logDead(d, err)
	m, ok := deadLetter(d, err)
	if !ok {
		return
	}
	ctx := app.WithDelivery(context.Background(), d)
	if b.outbox.Wants(m.Topic) {
		if err := b.outbox.Publish(ctx, m); err != nil {
			b.log.Error("dead delivery not announced", zap.String("event", d.ID()), zap.Error(err))
		}
	}
	_ = b.memory.Publish(ctx, m) // cannot fail outside a transaction
}

// dead tells volatile subscribers of a dead durable delivery.
func (b *Bus) dead(d *Incoming, err error) {
	b.logDead(d, err)
	if m, ok := deadLetter(d, err); ok {
		b.memory.hand(m, b.memory.lanes[m.Topic], 0) // the outcomes of others wait
	}
}

func (b *Bus) dropped(group string) { b.meters.dropped.WithLabelValues(group).Inc() }
