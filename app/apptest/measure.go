package apptest

import (
	"fmt"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Metric returns the value of a metric as /metrics would show it; of a histogram or a summary, how often it was observed. Labels are
// pairs of name and value, as many as are needed to tell the metric from others of its name: a plugin's has the label plugin.
// The value is 0 when there is no such metric, since one with labels is not there before it is first used. Several that fit are added.
//
//	require.Equal(t, 1.0, h.Metric("orders_placed_total", "plugin", "orders.place_order"))
func (a *App) Metric(name string, labels ...string) float64 {
	a.t.Helper()
	if len(labels)%2 != 0 {
		a.t.Fatalf("metric %s: labels are pairs of name and value, not %s", name, strings.Join(labels, ", "))
	}
	families, err := a.gatherer.Gather()
	if err != nil {
		a.t.Fatalf("read metrics: %v", err)
	}
	var sum float64
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if hasLabels(m, labels) {
				sum += valueOf(m)
			}
		}
	}
	return sum
}

func hasLabels(m *dto.Metric, labels []string) bool {
	have := map[string]string{}
	for _, l := range m.GetLabel() {
		have[l.GetName()] = l.GetValue()
	}
	for i := 0; i < len(labels); i += 2 {
		if have[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.GetCounter() != nil:
		return m.GetCounter().GetValue()
	case m.GetGauge() != nil:
		return m.GetGauge().GetValue()
	case m.GetHistogram() != nil:
		return float64(m.GetHistogram().GetSampleCount())
	case m.GetSummary() != nil:
		return float64(m.GetSummary().GetSampleCount())
	}
	return m.GetUntyped().GetValue()
}

// SpanRecorder keeps the spans that end, in the place of a collector. It is a part for [New], made with [Spans], and safe for concurrent use.
type SpanRecorder struct {
	recorder *tracetest.SpanRecorder
	fx.Option
}

// Span is a span that has ended.
type Span struct {
	// Name is the span's name: "GET /products/:id" for a request, or what a plugin calls its own.
	Name string
	// Trace, ID and Parent identify it, its trace and the span that it is part of, in hexadecimal; Parent is "" for the first of a trace.
	Trace, ID, Parent string
	// Attributes are its attributes, as text.
	Attributes map[string]string
}

// Spans returns a part that records every trace. Plugins ask their constructor for a trace.TracerProvider; without the part, and without
// a collector in the settings, it records nothing.
func Spans() *SpanRecorder {
	s := &SpanRecorder{recorder: tracetest.NewSpanRecorder()}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.recorder))
	s.Option = fx.Decorate(func(trace.TracerProvider) trace.TracerProvider { return provider })
	return s
}

func (s *SpanRecorder) unwrap() fx.Option { return s.Option }

// Ended returns the spans that have ended, in the order of their ends.
func (s *SpanRecorder) Ended() []Span {
	var all []Span
	for _, ended := range s.recorder.Ended() {
		span := Span{
			Name: ended.Name(), Trace: ended.SpanContext().TraceID().String(), ID: ended.SpanContext().SpanID().String(),
			Attributes: map[string]string{},
		}
		if ended.Parent().HasSpanID() {
			span.Parent = ended.Parent().SpanID().String()
		}
		for _, attribute := range ended.Attributes() {
			span.Attributes[string(attribute.Key)] = fmt.Sprint(attribute.Value.AsInterface())
		}
		all = append(all, span)
	}
	return all
}
