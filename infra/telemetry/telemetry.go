// Package telemetry owns the destinations of the service's measurements.
//
// They are the Prometheus registry for metrics and OpenTelemetry's provider of tracers.
//
// It knows no other room. Each room registers its own metrics with the prometheus.Registerer that it is given, and has a method
// Trace, which takes the trace.TracerProvider and gets its tracer by [Tracer]. The metrics are served at /metrics; the spans are
// exported to a collector. The libraries' global registry and global provider are not used, so that several applications live
// side by side in one process, as they do in tests.
package telemetry

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/fx"
)

// Module provides prometheus.Registerer, prometheus.Gatherer and trace.TracerProvider to Fx. The registry itself is not provided: a plugin
// that registered there would not be known by its label.
var Module = fx.Module("telemetry", fx.Provide(fx.Private, New), fx.Provide(registerer, gatherer, NewTracerProvider))

// New returns a registry with the metrics of the Go runtime, of the process and of the build.
func New() (*prometheus.Registry, error) {
	r := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return r, nil
}

// OtherMethod is what [Method] returns for methods that HTTP does not define.
const OtherMethod = "other"

// Method returns the label of an HTTP method in metrics. Nobody can make up time series with methods of their own.
func Method(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	default:
		return OtherMethod
	}
}

func registerer(r *prometheus.Registry) prometheus.Registerer { return r }

func gatherer(r *prometheus.Registry) prometheus.Gatherer { return r }
