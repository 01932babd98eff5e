package eventbus

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type meters struct {
	published *prometheus.CounterVec
	handled   *durations
	dead      *prometheus.CounterVec
	dropped   *prometheus.CounterVec
	scheduled *prometheus.CounterVec
}

func newMeters(r prometheus.Registerer, g *gauges) (*meters, error) {
	m := &meters{
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugboard_events_published_total", Help: "Events published, by topic. Those of rolled back transactions count too.",
		}, []string{"topic"}),
		handled: &durations{desc: prometheus.NewDesc("plugboard_events_handled_seconds",
			"Runs of event handlers, by subscription and outcome. Volatile ones that take less than 0.1 ms together are timed together.", []string{"subscription", "outcome"}, nil)},
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugboard_events_died_total", Help: "Deliveries that became dead, by subscription.",
		}, []string{"subscription"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugboard_events_dropped_total", Help: "Volatile events dropped because the subscription had no room.",
		}, []string{"subscription"}),
		scheduled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plugboard_schedule_times_total",
			Help: "Times of schedules that came, by outcome: published by this process, or skipped since the last run was not done.",
		}, []string{"schedule", "outcome"}),
	}
	if r == nil {
		return m, nil
	}
	return m, errors.Join(r.Register(m.published), r.Register(m.handled), r.Register(m.dead), r.Register(m.dropped), r.Register(m.scheduled), r.Register(g))
}

// durations is a histogram of the runs of handlers. Unlike Prometheus' own it takes several at a time.
type durations struct {
	desc *prometheus.Desc

	mu     sync.Mutex
	series []*series
}

// series counts the runs of one subscription that had one outcome.
type series struct {
	subscription, outcome string
	// buckets counts the runs that took at most quick, four times that, and so on; the last one the rest.
	buckets [10]atomic.Uint64
	sum     atomic.Int64
}

// of returns the series of a subscription and an outcome.
func (d *durations) of(subscription, outcome string) *series {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.series {
		if s.subscription == subscription && s.outcome == outcome {
			return s
		}
	}
	s := &series{subscription: subscription, outcome: outcome}
	d.series = append(d.series, s)
	return s
}

// observe adds n runs, each of which took so long.
func (s *series) observe(n int, took time.Duration) {
	i, bound := 0, quick
	for ; i < len(s.buckets)-1 && took > bound; i++ {
		bound *= 4
	}
	s.buckets[i].Add(uint64(n))
	s.sum.Add(int64(n) * int64(took))
}

// Describe implements prometheus.Collector.
func (d *durations) Describe(out chan<- *prometheus.Desc) { out <- d.desc }

// Collect implements prometheus.Collector.
func (d *durations) Collect(out chan<- prometheus.Metric) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.series {
		var count uint64
		buckets, bound := make(map[float64]uint64, len(s.buckets)), quick
		for i := range len(s.buckets) - 1 {
			count += s.buckets[i].Load()
			buckets[float64(bound)/1e9] = count
			bound *= 4
		}
		count += s.buckets[len(s.buckets)-1].Load()
		out <- prometheus.MustNewConstHistogram(d.desc, count, time.Duration(s.sum.Load()).Seconds(), buckets, s.subscription, s.outcome)
	}
}
