package eventbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/logging"
	"plugboard/infra/telemetry"
)

// effective returns a subscription with its effective options. The settings give the options that the plugin left out.
func (b *Bus) effective(s *subscription) message.Subscription {
	timeout := b.cfg.Timeout
	if s.Subscriber.Tx() && b.db.Dialect() == database.SQLite {
		timeout = b.cfg.TxTimeout
	}
	return message.Subscription{
		Name: s.name, Formerly: s.Options.Formerly, Topic: s.topic, Plugin: s.Plugin.Name, Source: s.Source,
		Concurrency: cmp.Or(s.Options.Concurrency, b.cfg.Concurrency),
		Attempts:    cmp.Or(s.Options.Attempts, b.cfg.Attempts),
		BackoffMin:  cmp.Or(s.Options.BackoffMin, b.cfg.BackoffMin),
		BackoffMax:  cmp.Or(s.Options.BackoffMax, b.cfg.BackoffMax),
		Timeout:     cmp.Or(s.Options.Timeout, timeout),
		Block:       s.Options.Block,
		Tx:          s.Subscriber.Tx(),
		Memory:      b.reserves,
		Observe:     b.meters.observer(s.name),
		Handle:      func(ctx context.Context, d *message.Delivery) error { return b.handle(ctx, s, d) },
	}
}

// handle runs the subscriber of s for a delivery, in a span if there is a tracer.
func (b *Bus) handle(ctx context.Context, s *subscription, d *message.Delivery) error {
	if b.tracer == nil {
		return b.deliver(ctx, s, d, d)
	}
	return b.traced(ctx, d, func(ctx context.Context, source app.DeliverySource) error { return b.deliver(ctx, s, d, source) })
}

func (b *Bus) deliver(ctx context.Context, s *subscription, d *message.Delivery, source app.DeliverySource) error {
	run := d.Context(ctx, source)
	defer run.End()
	if s.Options.Volatile && s.Subscriber.Tx() {
		return b.db.InTx(run, func(ctx context.Context) error { return s.call(ctx, d.Message) })
	}
	return s.call(run, d.Message)
}

// call runs the subscriber with an event struct that nobody else has.
func (s *subscription) call(ctx context.Context, m *message.Message) error {
	event, err := s.event(m)
	if err != nil {
		return err
	}
	return s.Subscriber.Call(ctx, event)
}

// event makes the subscriber's struct from the published struct. If another process has published the event, it makes the struct from
// the stored JSON.
func (s *subscription) event(m *message.Message) (any, error) {
	event := s.Subscriber.New()
	for i := range s.codecs {
		if s.codecs[i].Reads(m.Local) {
			s.codecs[i].Copy(event, m.Local)
			return event, nil
		}
	}
	if !message.SameTopic(m.Topic, s.topic) { // another version uses the subscription's name for another topic
		return nil, fmt.Errorf("event %s of %s: %w: %q takes %s", m.ID(), m.Topic, message.ErrUnreadable, s.name, s.topic)
	}
	if err := s.self.Decode(event, m.Payload); err != nil {
		return nil, fmt.Errorf("event %s of %s: %w: %w", m.ID(), m.Topic, message.ErrUnreadable, err)
	}
	return event, nil
}

// observer records the runs of a subscription.
func (m *meters) observer(name string) func(time.Duration, error) {
	ok, failed := m.handled.of(name, "ok"), m.handled.of(name, "error")
	return func(took time.Duration, err error) {
		if err != nil {
			failed.observe(took)
		} else {
			ok.observe(took)
		}
	}
}

// failed logs a failed run of a handler.
func (b *Bus) failed(d *message.Delivery, err error) {
	fields := []zap.Field{
		zap.String("plugin", d.Subscription.Plugin), zap.String("subscription", d.Subscription.Name), zap.String("event", d.ID()),
		zap.Int("attempt", d.Attempt), zap.String("request_id", d.RequestID), logging.Principal(d.Principal), zap.Error(err),
	}
	if p, ok := errors.AsType[*app.PanicError](err); ok {
		fields = append(fields, zap.ByteString("stack", p.Stack))
	}
	b.log.Warn("event handler failed", fields...)
}

// overdue logs a run that goes on after its timeout.
func (b *Bus) overdue(d *message.Delivery, took time.Duration) {
	b.log.Warn("an event handler is overdue: its subscription handles fewer events, or none, until it returns",
		zap.String("plugin", d.Subscription.Plugin), zap.String("subscription", d.Subscription.Name), zap.String("event", d.ID()),
		zap.Duration("running_for", took), zap.Duration("timeout", d.Subscription.Timeout))
}

func (b *Bus) logDead(d *message.Delivery, err error) {
	b.meters.dead.WithLabelValues(d.Subscription.Name).Inc()
	b.log.Error("event delivery is dead", zap.String("plugin", d.Subscription.Plugin), zap.String("subscription", d.Subscription.Name),
		zap.String("event", d.ID()), zap.String("topic", d.Topic), zap.Int("attempts", d.Attempt), zap.Error(err))
}

// deadVolatile publishes the death of a volatile delivery. For a durable delivery, the outbox does this in the transaction that makes it
// dead.
func (b *Bus) deadVolatile(d *message.Delivery, err error) {
	b.logDead(d, err)
	m, ok := message.DeadLetter(d, err)
	if !ok {
		return
	}
	ctx := app.WithDelivery(context.Background(), d)
	if b.outbox.Wants(m.Topic) {
		if err := b.outbox.Publish(ctx, m); err != nil {
			b.log.Error("announcement of a dead delivery failed", zap.String("event", d.ID()), zap.Error(err))
		}
	}
	_ = b.volatile.Publish(ctx, m) // cannot fail outside a transaction
}

// dead publishes the death of a durable delivery to volatile subscribers.
func (b *Bus) dead(d *message.Delivery, err error) {
	b.logDead(d, err)
	if m, ok := message.DeadLetter(d, err); ok {
		b.volatile.Deliver(m) // without a wait for room: a wait would delay the outcomes of other deliveries
	}
}

func (b *Bus) dropped(subscription string) { b.meters.dropped.WithLabelValues(subscription).Inc() }

// Trace makes the bus open a span of p for each run of a subscriber. The span belongs to the trace in which the event was published, even
// if another process published it, or on another day. Trace is called before [Bus.Start]. If p records nothing, there are no spans.
func (b *Bus) Trace(p trace.TracerProvider) {
	b.tracer = telemetry.Tracer(p, "plugboard/infra/eventbus")
}

// tracedDelivery is a delivery whose handler runs in a span. Events that the handler publishes belong to this span.
type tracedDelivery struct {
	app.DeliverySource
	trace string
}

// NewCall implements app.DeliverySource.
func (d *tracedDelivery) NewCall() *app.Call {
	call := d.DeliverySource.NewCall()
	call.Trace = d.trace
	return call
}

// traced runs handle in a span with the attributes of OpenTelemetry's conventions for messaging. The span does not contain the text of an
// error, since the text may contain data of a user. The log has the text.
func (b *Bus) traced(ctx context.Context, d *message.Delivery, handle func(context.Context, app.DeliverySource) error) (err error) {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": d.Trace})
	ctx, span := b.tracer.Start(ctx, "process "+d.Topic, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", "plugboard"), attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", d.Topic), attribute.String("messaging.consumer.group.name", d.Subscription.Name),
		attribute.String("messaging.message.id", d.ID()), attribute.String("plugboard.plugin", d.Subscription.Plugin),
		attribute.Int("plugboard.attempt", d.Attempt), attribute.String("plugboard.request_id", d.RequestID),
	))
	if d.Principal != "" {
		span.SetAttributes(attribute.String("plugboard.principal", d.Principal))
	}
	failure := "the handler panicked"
	defer func() {
		if failure != "" {
			span.SetStatus(codes.Error, failure)
		}
		span.End()
	}()
	err = handle(ctx, &tracedDelivery{d, telemetry.Traceparent(ctx)})
	failure = ""
	if err != nil {
		failure = "the handler failed"
		span.SetAttributes(attribute.String("error.type", string(app.CodeOf(err))))
	}
	return err
}
