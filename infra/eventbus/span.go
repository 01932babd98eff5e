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
