package workpool

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// collector tells Prometheus about a pool. What it tells is counted in the pool and its lanes, under the lock
// that is held there anyway.
type collector struct{ pool *Pool }

// The names, labels and meanings of the metrics.
var (
	workersDesc  = describe("workers", "Workers.")
	queuedDesc   = describe("queued", "Jobs that wait.")
	runningDesc  = describe("running", "Jobs that run.")
	overdueDesc  = describe("overdue", "Jobs that run longer than the limit, each holding a worker.")
	timeoutsDesc = describe("timeouts_total", "Jobs that ran longer than the limit.")
	droppedDesc  = describe("dropped_total", "Jobs that never ran because their caller had gone.")
	rejectedDesc = describe("rejected_total", "Jobs refused because the queue (queue) or their plugin's share of it (share) was full.", "plugin", "reason")
	waitDesc     = describe("wait_seconds", "Time from submission to start, of jobs that have ended.", "plugin")
	runDesc      = describe("run_seconds", "Time from start to end, of jobs that have ended.", "plugin")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("plugboard_pool_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		workersDesc, queuedDesc, runningDesc, overdueDesc, timeoutsDesc, droppedDesc, rejectedDesc, waitDesc, runDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.snapshot() {
		ch <- m
	}
}

func (c collector) snapshot() (all []prometheus.Metric) {
	p := c.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	add := func(d *prometheus.Desc, kind prometheus.ValueType, v int, labels ...string) {
		all = append(all, prometheus.MustNewConstMetric(d, kind, float64(v), labels...))
	}
	running, overdue := p.countRunning()
	add(workersDesc, prometheus.GaugeValue, p.workers)
	add(queuedDesc, prometheus.GaugeValue, p.queue.len)
	add(runningDesc, prometheus.GaugeValue, running)
	add(overdueDesc, prometheus.GaugeValue, overdue)
	add(timeoutsDesc, prometheus.CounterValue, p.timeouts)
	add(droppedDesc, prometheus.CounterValue, p.dropped)
	for _, l := range p.queue.lanes {
		add(rejectedDesc, prometheus.CounterValue, l.queueFull, l.plugin, "queue")
		add(rejectedDesc, prometheus.CounterValue, l.shareFull, l.plugin, "share")
		all = append(all, l.wait.metric(waitDesc, l.plugin), l.run.metric(runDesc, l.plugin))
	}
	return all
}

// countRunning counts the running jobs, and the overdue among them. The caller holds the lock.
func (p *Pool) countRunning() (running, overdue int) {
	for _, w := range p.crew {
		if w.current == nil {
			continue
		}
		running++
		if w.current.overdue {
			overdue++
		}
	}
	return running, overdue
}

// histogram counts durations, each bucket those up to four times the bucket before, from 100 µs to 26 s. It is not
// safe for concurrent use.
type histogram struct {
	buckets [10]uint64
	more    uint64 // those beyond the last bucket
	sum     time.Duration
}

const firstBucket = 100 * time.Microsecond

func (h *histogram) observe(d time.Duration) {
	h.sum += d
	bound := firstBucket
	for i := range h.buckets {
		if d <= bound {
			h.buckets[i]++
			return
		}
		bound *= 4
	}
	h.more++
}

func (h *histogram) metric(desc *prometheus.Desc, plugin string) prometheus.Metric {
	cumulative := make(map[float64]uint64, len(h.buckets))
	bound, count := firstBucket, uint64(0)
	for _, n := range h.buckets {
		count += n
		cumulative[bound.Seconds()] = count
		bound *= 4
	}
	return prometheus.MustNewConstHistogram(desc, count+h.more, h.sum.Seconds(), cumulative, plugin)
}
