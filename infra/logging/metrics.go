package logging

import "github.com/prometheus/client_golang/prometheus"

// dropped is the collector of the records that a [Writer] dropped.
type dropped struct {
	writer *Writer
	desc   *prometheus.Desc
}

func newDropped(w *Writer) dropped {
	return dropped{w, prometheus.NewDesc("plugboard_log_dropped_total",
		"Log records that were dropped because the reader of the log was too slow (full), or because writing failed (failed).", []string{"reason"}, nil)}
}

// Describe implements prometheus.Collector.
func (d dropped) Describe(descs chan<- *prometheus.Desc) { descs <- d.desc }

// Collect implements prometheus.Collector.
func (d dropped) Collect(metrics chan<- prometheus.Metric) {
	overflow, failed := d.writer.Dropped()
	metrics <- prometheus.MustNewConstMetric(d.desc, prometheus.CounterValue, float64(overflow), "full")
	metrics <- prometheus.MustNewConstMetric(d.desc, prometheus.CounterValue, float64(failed), "failed")
}
