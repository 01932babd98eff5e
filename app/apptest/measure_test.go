package apptest_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"plugboard/app"
	"plugboard/app/apptest"
)

// counting counts its requests, and has a span for each.
type counting struct {
	requests *prometheus.CounterVec
	sizes    prometheus.Histogram
	tracer   trace.Tracer
	path     string
}

func newCounting(path string) func(prometheus.Registerer, trace.TracerProvider) *counting {
	return func(r prometheus.Registerer, tracing trace.TracerProvider) *counting {
		p := &counting{
			requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shop_requests_total", Help: "Requests."}, []string{"kind"}),
			sizes:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "shop_sizes", Help: "Sizes."}),
			tracer:   tracing.Tracer("shop"), path: path,
		}
		r.MustRegister(p.requests, p.sizes)
		return p
	}
}

func (p *counting) OnBoot(b *app.Boot) { b.GET(p.path, app.Handle(p.Execute)) }

func (p *counting) Execute(ctx context.Context, _ app.Empty) (app.Empty, error) {
	_, span := p.tracer.Start(ctx, "count", trace.WithAttributes(attribute.Int("items", 3)))
	defer span.End()
	p.requests.WithLabelValues("plain").Inc()
	p.sizes.Observe(2)
	return app.Empty{}, nil
}

func TestMetricsAndSpansOfPlugins(t *testing.T) {
	t.Parallel()
	spans := apptest.Spans()
	h := apptest.New(t, spans,
		app.Plugin[*counting]("shop.one", newCounting("/one")), app.Plugin[*counting]("shop.two", newCounting("/two")))
	require.Zero(t, h.Metric("shop_requests_total", "plugin", "shop.one"))
	for _, path := range []string{"/one", "/one", "/two"} {
		h.GET(path).Status(http.StatusOK)
	}
	require.InDelta(t, 2, h.Metric("shop_requests_total", "plugin", "shop.one"), 0)
	require.InDelta(t, 1, h.Metric("shop_requests_total", "plugin", "shop.two", "kind", "plain"), 0)
	require.InDelta(t, 3, h.Metric("shop_requests_total"), 0)
	require.InDelta(t, 2, h.Metric("shop_sizes", "plugin", "shop.one"), 0)
	require.Zero(t, h.Metric("shop_requests_total", "plugin", "shop.three"))

	ended := spans.Ended()
	require.Len(t, ended, 6)
	require.Equal(t, "count", ended[0].Name)
	require.Equal(t, "GET /one", ended[1].Name)
	require.Equal(t, ended[1].ID, ended[0].Parent)
	require.Equal(t, ended[1].Trace, ended[0].Trace)
	require.Empty(t, ended[1].Parent)
	require.Equal(t, map[string]string{"items": "3"}, ended[0].Attributes)
}
