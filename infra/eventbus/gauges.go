package eventbus

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// gauges reports what waits in the database. It is counted when metrics are collected. Counting costs by the number of
// deliveries, so gauges count less often the longer it takes: see rest.
type gauges struct {
	o       *Outbox
	m       *Memory
	pending *prometheus.Desc
	dead    *prometheus.Desc
	oldest  *prometheus.Desc
	memory  *prometheus.Desc
	lost    *prometheus.Desc
	found   *prometheus.Desc
	failed  *prometheus.Desc
	failing *prometheus.Desc
	overdue *prometheus.Desc
	orphans *prometheus.Desc
	bytes   *prometheus.Desc
	refused *prometheus.Desc

	mu sync.Mutex
	// next is when to count again, last what was counted.
	next time.Time
	last []SubscriptionInfo
}

const (
	// gaugesAge and gaugesOldest are how long a count is reported: at least, and at most.
	gaugesAge     = 5 * time.Second
	gaugesOldest  = time.Minute
	gaugesTimeout = 2 * time.Second
	// gaugesRest is how many times as long as a count took nothing is counted after it: counting takes half a percent of the time.
	gaugesRest = 200
)

// rest returns how long nothing is counted after a count that took some time.
func (*gauges) rest(took time.Duration) time.Duration {
	return min(max(gaugesAge, gaugesRest*took), gaugesOldest)
}

func newGauges(o *Outbox, m *Memory) *gauges {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("plugboard_events_"+name, help, []string{"subscription"}, nil)
	}
	return &gauges{
		o:       o,
		m:       m,
		bytes:   prometheus.NewDesc("plugboard_events_memory_bytes", "About how many bytes the durable deliveries in memory hold; events.memory bounds it.", nil, nil),
		refused: prometheus.NewDesc("plugboard_events_memory_refused_total", "Deliveries that stayed in the database since events.memory was used up.", nil, nil),
		overdue: desc("overdue", "Runs of handlers that go on although their time is over, by subscription."),
		pending: desc("pending", "Deliveries neither handled nor dead, by durable subscription."),
		dead:    desc("dead", "Dead deliveries, by durable subscription."),
		oldest:  desc("oldest_seconds", "Age of the oldest event neither handled nor dead, by durable subscription; 0 without one."),
		memory:  desc("in_memory", "Deliveries this process holds in memory, by durable subscription."),
		lost: desc("claims_without_run", "Deliveries that this process has claimed and, at the last look, was not at work on, by durable subscription."+
			" They are given back at the next look."),
		failed:  desc("claim_failures_total", "Attempts to claim deliveries from the database that failed, by durable subscription."),
		failing: desc("claims_failing_seconds", "How long all attempts to claim deliveries have failed, by durable subscription; 0 when the last one worked."),
		found:   desc("claims_without_run_total", "Deliveries that this process had claimed and given back since nothing ran them, by durable subscription."),
		orphans: prometheus.NewDesc("plugboard_events_orphans",
			"Active durable subscriptions that no running process has: events are kept for them that nobody handles.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	out <- g.pending
	out <- g.dead
	out <- g.oldest
	out <- g.memory
	out <- g.lost
	out <- g.found
	out <- g.failed
	out <- g.failing
	out <- g.overdue
	out <- g.orphans
	out <- g.bytes
	out <- g.refused
}

// Collect implements prometheus.Collector. While the database does not answer, it reports what it knew last.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	now, orphans := time.Now(), 0
	for _, s := range g.subscriptions(now) {
		if s.Orphan && now.Sub(s.SeenAt) > g.o.cfg.Lease {
			orphans++
		}
		age := 0.0
		if !s.Oldest.IsZero() {
			age = max(0, now.Sub(s.Oldest).Seconds())
		}
		out <- prometheus.MustNewConstMetric(g.pending, prometheus.GaugeValue, float64(s.Pending+s.Running), s.Name)
		out <- prometheus.MustNewConstMetric(g.dead, prometheus.GaugeValue, float64(s.Dead), s.Name)
		out <- prometheus.MustNewConstMetric(g.oldest, prometheus.GaugeValue, age, s.Name)
	}
	out <- prometheus.MustNewConstMetric(g.bytes, prometheus.GaugeValue, float64(g.o.budget.used.Load()))
	out <- prometheus.MustNewConstMetric(g.refused, prometheus.CounterValue, float64(g.o.budget.refused.Load()))
	for _, l := range append(slices.Clone(g.o.lanes), g.m.all...) {
		out <- prometheus.MustNewConstMetric(g.overdue, prometheus.GaugeValue, float64(l.late.Load()+l.abandoned.Load()), l.group.Name)
	}
	out <- prometheus.MustNewConstMetric(g.orphans, prometheus.GaugeValue, float64(orphans))
	for _, l := range g.o.lanes {
		out <- prometheus.MustNewConstMetric(g.memory, prometheus.GaugeValue, float64(l.used.Load()), l.group.Name)
		out <- prometheus.MustNewConstMetric(g.lost, prometheus.GaugeValue, float64(l.backlog.lost.Load()), l.group.Name)
		out <- prometheus.MustNewConstMetric(g.found, prometheus.CounterValue, float64(l.backlog.found.Load()), l.group.Name)
		out <- prometheus.MustNewConstMetric(g.failed, prometheus.CounterValue, float64(l.backlog.failures.Load()), l.group.Name)
		out <- prometheus.MustNewConstMetric(g.failing, prometheus.GaugeValue, l.backlog.failingFor(now).Seconds(), l.group.Name)
	}
}

func (g *gauges) subscriptions(now time.Time) []SubscriptionInfo {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.next) || !g.o.running() {
		return g.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), gaugesTimeout)
	defer cancel()
	current, err := (&Admin{store: g.o.store, known: g.o.known()}).Subscriptions(ctx)
	g.next = now.Add(g.rest(time.Since(now))) // after a failure too: a count that is given up has cost the most
	if err != nil {
		g.o.log.Warn("waiting events not counted", zap.Error(err))
		return g.last
	}
	g.last = current
	return current
}
