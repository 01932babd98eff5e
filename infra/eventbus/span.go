package eventbus

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"plugboard/app"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/telemetry"
)

// Trace makes a span of p for each run of a subscriber, in the trace in which the event was published: also when that was in another
// process or on another day. It is called before [Bus.Start]. There are no spans when p records nothing.
func (b *Bus) Trace(p trace.TracerProvider) {
	b.tracer = telemetry.Tracer(p, "plugboard/infra/eventbus")
}

// tracedDelivery is a delivery whose handler runs in a span: what the handler publishes belongs to that span.
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

// traced runs handle in a span with the attributes of OpenTelemetry's conventions for messaging. The text of an error stays out of
// the span, since it may contain what a user sent; the log has it.
func (b *Bus) traced(ctx context.Context, d *message.Delivery, handle func(context.Context, app.DeliverySource) error) (err error) {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": d.Trace})
	ctx, span := b.tracer.Start(ctx, "process "+d.Topic, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", "plugboard"), attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", d.Topic), attribute.String("messaging.consumer.group.name", d.Subscription.Name),
		attribute.String("messaging.message.id", d.ID()), attribute.String("plugboard.plugin", d.Subscription.Plugin),
		attribute.Int("plugboard.attempt", d.Attempt), attribute.String("plugboard.request_id", d.RequestID),
	))
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
