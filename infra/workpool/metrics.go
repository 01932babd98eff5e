package workpool

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the metrics of one pool. They have a registry of their own, so that the pool adds them to the service's
// registry, or removes them from it, in one step.
type metrics struct {
	registry          *prometheus.Registry
	dropped, timeouts prometheus.Counter
	rejected          *prometheus.CounterVec
	wait, run         *prometheus.HistogramVec
}

func newMetrics(p *Pool) *metrics {
	const prefix = "plugboard_pool_"
	registry := prometheus.NewRegistry()
	create := promauto.With(registry)
	gauge := func(name, help string, read func() int) {
		create.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, func() float64 {
			p.mu.Lock()
			defer p.mu.Unlock()
			return float64(read())
		})
	}
	counter := func(name, help string) prometheus.Counter {
		return create.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		buckets := prometheus.ExponentialBuckets(100e-6, 4, 10) // 100 µs to 26 s
		return create.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, []string{"plugin"})
	}
	gauge("workers", "Workers.", func() int { return p.size })
	gauge("queued", "Jobs that wait.", func() int { return p.queue.len })
	gauge("running", "Jobs that run.", func() int { return p.countJobs(func(*task) bool { return true }) })
	gauge("overdue", "Jobs that run longer than the limit, each holding a worker.",
		func() int { return p.countJobs(func(t *task) bool { return t.overdue }) })
	return &metrics{
		registry: registry,
		timeouts: counter("timeouts_total", "Jobs that ran longer than the limit."),
		dropped:  counter("dropped_total", "Jobs that never ran because their caller had gone."),
		rejected: create.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "rejected_total", Help: "Jobs refused because the queue (queue) or their plugin's share of it (share) was full.",
		}, []string{"plugin", "reason"}),
		wait: histogram("wait_seconds", "Time from submission to start, of jobs that have ended."),
		run:  histogram("run_seconds", "Time from start to end, of jobs that have ended."),
	}
}

// countJobs counts the jobs that workers have and that match. The caller holds the pool's lock.
func (p *Pool) countJobs(match func(*task) bool) (n int) {
	for _, w := range p.workers {
		if w.current != nil && match(w.current) {
			n++
		}
	}
	return n
}
