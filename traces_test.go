package main

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/config"
	"plugboard/domains/audit"
	"plugboard/domains/notifications"
	"plugboard/domains/products"
)

// traceCollector is an OpenTelemetry collector that keeps what it gets.
type traceCollector struct {
	t       *testing.T
	url     string
	mu      sync.Mutex
	spans   []*tracepb.Span
	service string
}

func newTraceCollector(t *testing.T) *traceCollector {
	t.Helper()
	c := &traceCollector{t: t}
	server := httptest.NewServer(http.HandlerFunc(c.take))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *traceCollector) take(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/otlp/v1/traces" || r.Header.Get("Authorization") != "Bearer a=b" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var sent collector.ExportTraceServiceRequest
	body, err := gzip.NewReader(r.Body)
	if err != nil {
		c.t.Error(err)
		return
	}
	packed, err := io.ReadAll(body)
	if err != nil || proto.Unmarshal(packed, &sent) != nil {
		c.t.Error("not a request to export traces:", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range sent.GetResourceSpans() {
		c.service = attributeOf(resource.GetResource().GetAttributes(), "service.name")
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

// tree renders the spans of a trace that are below parent, each with those below it.
func (c *traceCollector) tree(id, parent string) (lines []string) {
	for _, span := range c.spans {
		if hex.EncodeToString(span.GetTraceId()) != id || hex.EncodeToString(span.GetParentSpanId()) != parent {
			continue
		}
		name := span.GetName()
		if group := attributeOf(span.GetAttributes(), "messaging.consumer.group.name"); group != "" {
			name += " by " + group
		}
		lines = append(lines, name)
		for _, below := range c.tree(id, hex.EncodeToString(span.GetSpanId())) {
			lines = append(lines, "  "+below)
		}
	}
	return lines
}

// A request's trace goes on in the subscribers of the events it caused, and of those that they caused in turn, also when
// they run in a later process.
func TestATraceGoesFromTheRequestToTheLastSubscriber(t *testing.T) {
	t.Parallel()
	const traced, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		c := newTraceCollector(t)
		settings := apptest.Configure(func(cfg *config.Config) {
			cfg.Traces.URL, cfg.Traces.Headers, cfg.Traces.Sample = c.url+"/otlp/", []string{"Authorization=Bearer a=b"}, 0
		})
		apptest.New(t, db, settings, products.Module, notifications.Module, audit.Module).Stop() // its subscriptions are known now
		first := apptest.New(t, db, settings, products.Module)
		post(t, first, "Lamp", "00-"+traced+"-"+caller+"-01")
		post(t, first, "Chair", "") // not sampled
		first.GET("/readyz")
		first.Stop()
		later := apptest.New(t, db, settings, products.Module, notifications.Module, audit.Module)
		later.WaitForEvents()
		later.Stop()

		require.Equal(t, "plugboard", c.service)
		lines := c.tree(traced, caller)
		require.Equal(t, "POST /products", lines[0])
		for _, want := range []string{
			"  transaction",
			"    INSERT",
			"    COMMIT",
			"  process product.created by audit.record_product_created/product.created",
			"  process product.created by notifications.store_notification/product.created",
			"    process notification.stored by audit.record_notification_stored/notification.stored",
		} {
			require.Contains(t, lines, want, strings.Join(lines, "\n"))
		}
		for _, span := range c.spans {
			require.Equal(t, traced, hex.EncodeToString(span.GetTraceId()), span.GetName())
			require.NotContains(t, span.String(), "Lamp", "values stay out of spans")
		}
	})
}

func post(t *testing.T, h *apptest.App, name, traceparent string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/products", strings.NewReader(`{"name":"`+name+`","price":5}`))
	r.Header.Set("Content-Type", "application/json")
	if traceparent != "" {
		r.Header.Set("Traceparent", traceparent)
	}
	h.Do(r).Status(http.StatusCreated)
}

func attributeOf(attributes []*commonpb.KeyValue, key string) string {
	for _, a := range attributes {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// spanPlugin makes a span of its own.
type spanPlugin struct{ tracer trace.Tracer }

// OnBoot implements app.Booter.
func (p *spanPlugin) OnBoot(b *app.Boot) { b.GET("/span", app.Handle(p.Execute)) }

func (p *spanPlugin) Execute(ctx context.Context, _ app.Empty) (app.Empty, error) {
	_, span := p.tracer.Start(ctx, "my own")
	span.End()
	return app.Empty{}, nil
}

// A plugin that asks for the provider has its spans below those of its requests.
func TestAPluginMakesSpansOfItsOwn(t *testing.T) {
	t.Parallel()
	const traced, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	c := newTraceCollector(t)
	settings := apptest.Configure(func(cfg *config.Config) {
		cfg.Traces.URL, cfg.Traces.Headers = c.url+"/otlp/v1/traces", []string{"Authorization=Bearer a=b"}
	})
	h := apptest.New(t, settings, app.Plugin[*spanPlugin]("spans.make_span", func(p trace.TracerProvider) *spanPlugin {
		return &spanPlugin{p.Tracer("spans")}
	}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/span", http.NoBody)
	r.Header.Set("Traceparent", "00-"+traced+"-"+caller+"-01")
	h.Do(r).Status(http.StatusOK)
	h.Stop()
	require.Equal(t, []string{"GET /span", "  my own"}, c.tree(traced, caller))
}
