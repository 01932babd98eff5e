package workpool

import "github.com/prometheus/client_golang/prometheus"

// metrics are what the pool tells Prometheus. It is a collector, so that they come and go together.
type metrics struct {
	rejected  *prometheus.CounterVec
	dropped   prometheus.Counter
	expired   prometheus.Counter
	wait, run *prometheus.HistogramVec
	all       []prometheus.Collector
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.all {
		c.Collect(ch)
	}
}

func newMetrics(p *Pool) *metrics {
	buckets := prometheus.ExponentialBuckets(100e-6, 4, 10) // 100 µs to 26 s
	m := &metrics{
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugboard_pool_rejected_total",
			Help: "Jobs refused because the queue (queue) or their plugin's share of it (share) was full.",
		}, []string{"plugin", "reason"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plugboard_pool_dropped_total",
			Help: "Jobs that never ran because their caller had gone.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plugboard_pool_timeouts_total",
			Help: "Jobs that ran longer than the limit.",
		}),
		wait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plugboard_pool_wait_seconds", Help: "Time from submission to start.", Buckets: buckets,
		}, []string{"plugin"}),
		run: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plugboard_pool_run_seconds", Help: "Time from start to end.", Buckets: buckets,
		}, []string{"plugin"}),
	}
	m.all = []prometheus.Collector{
		m.rejected, m.dropped, m.expired, m.wait, m.run,
		gauge("plugboard_pool_workers", "Workers.", func() int { return p.workers }),
		gauge("plugboard_pool_queued", "Jobs that wait.", p.queuedJobs),
		gauge("plugboard_pool_running", "Jobs that run.", func() int {
			return p.countJobs(func(*task) bool { return true })
		}),
		gauge("plugboard_pool_overdue", "Jobs that run longer than the limit, each holding a worker.", func() int {
			return p.countJobs(func(t *task) bool { return t.overdue })
		}),
	}
	return m
}

func gauge(name, help string, value func() int) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
}

func (p *Pool) queuedJobs() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queue.len
}

// countJobs counts the running jobs for which match holds.
func (p *Pool) countJobs(match func(*task) bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, w := range p.crew {
		if w.current != nil && match(w.current) {
			n++
		}
	}
	return n
}
