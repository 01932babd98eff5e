package workpool

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"plugboard/app"
)

// traced has the job get a span within the one of ctx, if that is recorded: from its submission until its caller goes on,
// with an event when it begins to run. It returns the work to submit and what ends the span. The text of an error stays out of
// it, since it may hold what a user sent; the caller has it.
func traced(ctx context.Context, work func(app.Job) (any, error)) (func(app.Job) (any, error), func(error)) {
	around := trace.SpanFromContext(ctx)
	if !around.IsRecording() {
		return work, func(error) {}
	}
	_, span := around.TracerProvider().Tracer("plugboard/infra/workpool").Start(ctx, "compute")
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
