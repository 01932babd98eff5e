package mailer

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"plugboard/app"
)

// The outcomes of a mail that was valid, in metrics and spans.
const (
	sent    = "sent"
	refused = "refused" // for good
	failed  = "failed"  // may be sent later
)

func newSeconds() *prometheus.HistogramVec {
	const first, factor, count = 0.005, 2, 14 // 5 ms to 41 s
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "plugboard_mail_seconds",
		Help:    "Time it took to hand a mail over to the server: sent, refused for good (refused), or failed for now (failed).",
		Buckets: prometheus.ExponentialBuckets(first, factor, count),
	}, []string{"plugin", "outcome"})
}

// measure begins the span and the time of a mail. Neither has anything that could name a person.
func (m *SMTP) measure(ctx context.Context) (end func(error)) {
	begin := time.Now()
	var span trace.Span
	if m.tracer != nil && trace.SpanFromContext(ctx).IsRecording() {
		_, span = m.tracer.Start(ctx, "send mail", trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(attribute.String("server.address", m.server.host), attribute.Int("server.port", m.server.port)))
	}
	return func(err error) {
		outcome := outcomeOf(err)
		m.seconds.WithLabelValues(app.PluginName(ctx), outcome).Observe(time.Since(begin).Seconds())
		if span == nil {
			return
		}
		span.SetAttributes(attribute.String("plugboard.mail.outcome", outcome))
		if err != nil {
			span.SetStatus(codes.Error, "the mail was not sent")
		}
		span.End()
	}
}

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return sent
	case app.IsPermanent(err):
		return refused
	default:
		return failed
	}
}
