package workpool

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"plugboard/app"
	"plugboard/infra/telemetry"
)

// Trace gives each job a span of provider, if its caller has a recorded span. Call it before [Pool.Start]. Without this
// call, or with a provider that records nothing, there are no spans.
func (p *Pool) Trace(provider trace.TracerProvider) {
	p.tracer = telemetry.Tracer(provider, "plugboard/infra/workpool")
}

// traced starts a span below the caller's span, if that one is recorded. The span lasts until the caller calls the
// returned function, and has an event when the work begins. The error's text stays out of the span, since it may hold
// a user's data; the caller has it.
func (p *Pool) traced(ctx context.Context, work func(app.Job) (any, error)) (func(app.Job) (any, error), func(error)) {
	if p.tracer == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return work, func(error) {}
	}
	_, span := p.tracer.Start(ctx, "compute")
	begin := func(j app.Job) (any, error) {
		span.AddEvent("begun")
		return work(j)
	}
	return begin, func(err error) {
		if code := app.CodeOf(err); err != nil && code.Status() >= http.StatusInternalServerError {
			span.SetAttributes(attribute.String("error.type", string(code)))
			span.SetStatus(codes.Error, "the job failed")
		}
		span.End()
	}
}
