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

// exportTimeout bounds one export with its repetitions. Meanwhile at most 2,048 spans wait; more are dropped.
const exportTimeout = 10 * time.Second

// NewTracerProvider returns the provider of the service's tracers. It exports spans from start to stop as cfg says; without a URL it
// records nothing. The stop exports the spans that are left.
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

// flushTimeout bounds the last export. So does half of the time that is left for the stop.
const flushTimeout = 3 * time.Second

// flush exports the spans that are left. A stop does not fail when the collector does not answer.
func flush(ctx context.Context, p *sdktrace.TracerProvider, logger *zap.Logger) {
	limit := flushTimeout
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := p.Shutdown(ctx); err != nil {
		logger.Warn("exporting the last traces failed", zap.Error(err))
	}
}

// Tracer returns p's tracer for a package; nil when p is nil or records nothing, so that the package need begin no span.
func Tracer(p trace.TracerProvider, name string) trace.Tracer {
	if _, none := p.(noop.TracerProvider); none || p == nil {
		return nil
	}
	return p.Tracer(name)
}

// Traceparent returns the span of ctx as a traceparent of W3C Trace Context.
func Traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

// exportOptions returns the options of the exporter that cfg means.
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

// reporter logs failed exports, at most one record in [reportEvery], and keeps them from OpenTelemetry's global error handler.
type reporter struct {
	sdktrace.SpanExporter
	logger *zap.Logger
	// lost counts the spans that failed exports lost since the last record, which was made at last.
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
		r.logger.Warn("exporting traces failed", zap.Int64("spans", lost), zap.Error(err))
	}
	return nil
}
