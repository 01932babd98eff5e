package database

import (
	"database/sql"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// poolMetric is one number of a connection pool.
type poolMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(sql.DBStats) float64
}

// poolCollector collects the metrics of the connection pools that stats returns by name. It calls stats at each collection,
// concurrently.
type poolCollector struct {
	stats   func() map[string]sql.DBStats
	metrics []poolMetric
}

func newPoolCollector(stats func() map[string]sql.DBStats) poolCollector {
	metric := func(name, help string, kind prometheus.ValueType, value func(sql.DBStats) float64) poolMetric {
		return poolMetric{prometheus.NewDesc("database_pool_"+name, help, []string{"pool"}, nil), kind, value}
	}
	return poolCollector{stats: stats, metrics: []poolMetric{
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
	}}
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

// registerMetrics registers the metrics of db's connection pools with r.
func (db *DB) registerMetrics(r prometheus.Registerer) error {
	if err := r.Register(newPoolCollector(db.Stats)); err != nil {
		return fmt.Errorf("register the database's metrics: %w", err)
	}
	return nil
}
