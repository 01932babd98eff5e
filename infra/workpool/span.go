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

// Trace has each job get a span of provider where its caller has one that is recorded. Call it before [Pool.Start]; without it,
// or with a provider that records nothing, there are no spans.
func (p *Pool) Trace(provider trace.TracerProvider) {
	p.tracer = telemetry.Tracer(provider, "plugboard/infra/workpool")
}

// traced has the job get a span within the one of ctx, if that is recorded: from its submission until its caller goes on,
// with an event when it begins to run. It returns the work to submit and what ends the span. The text of an error stays out of
// it, since it may hold what a user sent; the caller has it.
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
