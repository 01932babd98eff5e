package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/config"
)

// exportTimeout bounds one export with its repetitions. Meanwhile spans wait, 2,048 at most; more are dropped.
const exportTimeout = 10 * time.Second

// NewTracerProvider returns what makes the spans of the service's traces: one whose spans are exported from start to stop
// as cfg says, or, without a URL, one that records nothing. What was recorded before the stop is exported in it.
func NewTracerProvider(lc fx.Lifecycle, cfg config.Traces, logger *zap.Logger) (trace.TracerProvider, error) {
	if cfg.URL == "" {
		return noop.NewTracerProvider(), nil
	}
	options, err := exportOptions(cfg)
	if err != nil {
		return nil, err
	}
	const percent = 100
	p := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(float64(cfg.Sample)/percent))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", cfg.Service))),
	)
	lc.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			exporter, err := otlptracehttp.New(ctx, options...)
			if err != nil {
				return fmt.Errorf("export traces: %w", err)
			}
			p.RegisterSpanProcessor(sdktrace.NewBatchSpanProcessor(
				&reporter{SpanExporter: exporter, logger: logger}, sdktrace.WithExportTimeout(exportTimeout)))
			return nil
		},
		OnStop: func(ctx context.Context) error {
			flush(ctx, p, logger)
			return nil
		},
	})
	return p, nil
}

// flushTimeout bounds the last export, as does half of what the stop allows for it.
const flushTimeout = 3 * time.Second

// flush exports what is left. A collector that is away does not make a stop fail.
func flush(ctx context.Context, p *sdktrace.TracerProvider, logger *zap.Logger) {
	limit := flushTimeout
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := p.Shutdown(ctx); err != nil {
		logger.Warn("traces not exported before the stop", zap.Error(err))
	}
}

// Tracer returns p's tracer for a package, or nil when p is nil or records nothing: then no span need be begun.
func Tracer(p trace.TracerProvider, name string) trace.Tracer {
	if _, none := p.(noop.TracerProvider); none || p == nil {
		return nil
	}
	return p.Tracer(name)
}

// Traceparent returns the span of ctx as W3C's traceparent.
func Traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

func exportOptions(cfg config.Traces) ([]otlptracehttp.Option, error) {
	const path = "/v1/traces"
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, errors.New("export traces: the URL is not valid")
	}
	if u.Path = strings.TrimSuffix(u.Path, "/"); !strings.HasSuffix(u.Path, path) {
		u.Path += path
	}
	headers := make(map[string]string, len(cfg.Headers))
	for _, header := range cfg.Headers {
		name, value, _ := strings.Cut(header, "=")
		headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(u.String()), otlptracehttp.WithHeaders(headers), otlptracehttp.WithTimeout(exportTimeout),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
	}, nil
}

// reportEvery is the least time between two records of failed exports.
const reportEvery = time.Minute

// reporter logs failed exports, now and then, and keeps them from OpenTelemetry's global error handler.
type reporter struct {
	sdktrace.SpanExporter
	logger *zap.Logger
	// lost counts the spans since the last record, which was made at last.
	lost, last atomic.Int64
}

// ExportSpans implements sdktrace.SpanExporter.
func (r *reporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := r.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	lost := r.lost.Add(int64(len(spans)))
	now, last := time.Now().UnixNano(), r.last.Load()
	if (last == 0 || now-last >= int64(reportEvery)) && r.last.CompareAndSwap(last, now) {
		r.lost.Add(-lost)
		r.logger.Warn("traces not exported", zap.Int64("spans", lost), zap.Error(err))
	}
	return nil
}
