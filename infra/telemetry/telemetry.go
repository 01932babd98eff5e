// Package telemetry owns the Prometheus registry and the provider of OpenTelemetry's tracers: what the service and its
// parts measure is registered there and served at /metrics, and their spans are exported. The global registry and the
// global provider of the libraries are not used, so that several applications live side by side in one process, as in tests.
package telemetry

import (
	"database/sql"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/fx"

	"plugboard/infra/database"
)

// Module provides *prometheus.Registry, prometheus.Registerer, prometheus.Gatherer and trace.TracerProvider to Fx, and
// registers the database's connection pools.
var Module = fx.Module("telemetry",
	fx.Provide(New, registerer, gatherer, NewTracerProvider),
	fx.Invoke(registerPools),
)

// New returns a registry with the Go runtime's, the process's and the build's metrics.
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

// NewPoolCollector returns a collector of the connection pools that stats describes, by their names. It
// calls stats at each collection, concurrently.
func NewPoolCollector(stats func() map[string]sql.DBStats) prometheus.Collector {
	return poolCollector{stats: stats, metrics: poolMetrics()}
}

type poolMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(sql.DBStats) float64
}

type poolCollector struct {
	stats   func() map[string]sql.DBStats
	metrics []poolMetric
}

func poolMetrics() []poolMetric {
	metric := func(name, help string, kind prometheus.ValueType, value func(sql.DBStats) float64) poolMetric {
		return poolMetric{prometheus.NewDesc("database_pool_"+name, help, []string{"pool"}, nil), kind, value}
	}
	return []poolMetric{
		metric("connections_max", "Most connections the pool opens; 0 is no limit.", prometheus.GaugeValue,
			func(s sql.DBStats) float64 { return float64(s.MaxOpenConnections) }),
		metric("connections_in_use", "Connections in use.", prometheus.GaugeValue,
			func(s sql.DBStats) float64 { return float64(s.InUse) }),
		metric("connections_idle", "Open connections nobody uses.", prometheus.GaugeValue,
			func(s sql.DBStats) float64 { return float64(s.Idle) }),
		metric("waits_total", "How often somebody waited for a connection.", prometheus.CounterValue,
			func(s sql.DBStats) float64 { return float64(s.WaitCount) }),
		metric("wait_seconds_total", "How long all waited for connections.", prometheus.CounterValue,
			func(s sql.DBStats) float64 { return s.WaitDuration.Seconds() }),
	}
}

// Describe implements prometheus.Collector.
func (c poolCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		descs <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c poolCollector) Collect(metrics chan<- prometheus.Metric) {
	for pool, s := range c.stats() {
		for _, m := range c.metrics {
			metrics <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(s), pool)
		}
	}
}

func registerer(r *prometheus.Registry) prometheus.Registerer { return r }

func gatherer(r *prometheus.Registry) prometheus.Gatherer { return r }

func registerPools(r prometheus.Registerer, db *database.DB) error {
	if err := r.Register(NewPoolCollector(db.Stats)); err != nil {
		return fmt.Errorf("register the database's metrics: %w", err)
	}
	return nil
}
