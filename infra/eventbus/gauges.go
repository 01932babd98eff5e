package eventbus

import (
	"context"
	"sync"
	"time"

	"plugboard/infra/eventbus/admin"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// gauges reports the numbers of deliveries in the database and in this process. A count of many stored deliveries takes long. The longer
// a count took, the later the next count comes: see rest.
type gauges struct {
	bus *Bus

	pending, dead, oldest, inMemory, lost, reclaimed, failed, failing, overdue *prometheus.Desc
	orphans, bytes, refused                                                    *prometheus.Desc

	mu sync.Mutex
	// next is the time of the next count. last is the result of the last count.
	next time.Time
	last []admin.Subscription
}

const (
	// gaugesAge and gaugesOldest are the shortest and the longest time for which the result of a count is reported.
	gaugesAge     = 5 * time.Second
	gaugesOldest  = time.Minute
	gaugesTimeout = 2 * time.Second
	// gaugesRest is the pause after a count, as a multiple of the count's duration: so counts take half a percent of the time.
	gaugesRest = 200
)

// rest returns the pause after a count.
func (*gauges) rest(took time.Duration) time.Duration {
	return min(max(gaugesAge, gaugesRest*took), gaugesOldest)
}

func newGauges(b *Bus) *gauges {
	all := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("plugboard_events_"+name, help, nil, nil)
	}
	each := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("plugboard_events_"+name, help, []string{"subscription"}, nil)
	}
	return &gauges{
		bus:      b,
		bytes:    all("memory_bytes", "About how many bytes the durable deliveries in memory hold; events.memory bounds it."),
		refused:  all("memory_refused_total", "Deliveries that stayed in the database because events.memory was used up."),
		orphans:  all("orphans", "Active durable subscriptions that no running process has: their events are kept, and nobody handles them."),
		overdue:  each("overdue", "Runs of handlers that go on after their timeout, by subscription."),
		pending:  each("pending", "Deliveries neither handled nor dead, by durable subscription."),
		dead:     each("dead", "Dead deliveries, by durable subscription."),
		oldest:   each("oldest_seconds", "Age of the oldest event neither handled nor dead, by durable subscription; 0 without one."),
		inMemory: each("in_memory", "Deliveries this process holds in memory, by durable subscription."),
		lost: each("claims_without_run", "Deliveries that this process has claimed and that nothing in it runs, found by the last sweep, by durable subscription."+
			" The next sweep gives them back."),
		failed:    each("claim_failures_total", "Attempts to claim deliveries from the database that failed, by durable subscription."),
		failing:   each("claims_failing_seconds", "How long all attempts to claim deliveries have failed, by durable subscription; 0 when the last one succeeded."),
		reclaimed: each("claims_without_run_total", "Deliveries that this process has claimed and given back because nothing ran them, by durable subscription."),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		g.pending, g.dead, g.oldest, g.inMemory, g.lost, g.reclaimed, g.failed, g.failing, g.overdue, g.orphans, g.bytes, g.refused,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector. While the database does not answer, it reports the last count.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counter := func(d *prometheus.Desc, value int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	now, orphans := time.Now(), 0
	for _, s := range g.subscriptions(now) {
		if s.Orphan && now.Sub(s.SeenAt) > g.bus.cfg.Lease {
			orphans++
		}
		age := 0.0
		if !s.Oldest.IsZero() {
			age = max(0, now.Sub(s.Oldest).Seconds())
		}
		gauge(g.pending, float64(s.Pending+s.Running), s.Name)
		gauge(g.dead, float64(s.Dead), s.Name)
		gauge(g.oldest, age, s.Name)
	}
	gauge(g.orphans, float64(orphans))
	stats := g.bus.outbox.Stats()
	gauge(g.bytes, float64(stats.Bytes))
	counter(g.refused, stats.Refused)
	for _, s := range stats.Subscriptions {
		gauge(g.overdue, float64(s.Overdue), s.Name)
		gauge(g.inMemory, float64(s.InMemory), s.Name)
		gauge(g.lost, float64(s.Lost), s.Name)
		counter(g.reclaimed, s.Reclaimed, s.Name)
		counter(g.failed, s.ClaimFailures, s.Name)
		gauge(g.failing, s.FailingFor.Seconds(), s.Name)
	}
	for name, late := range g.bus.volatile.Late() {
		gauge(g.overdue, float64(late), name)
	}
}

func (g *gauges) subscriptions(now time.Time) []admin.Subscription {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.next) || !g.bus.outbox.Running() {
		return g.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), gaugesTimeout)
	defer cancel()
	current, err := g.bus.Admin("").Subscriptions(ctx)
	g.next = now.Add(g.rest(time.Since(now))) // also after a failure, since a count that ran into its timeout took longest
	if err != nil {
		g.bus.log.Warn("count of waiting events failed", zap.Error(err))
		return g.last
	}
	g.last = current
	return current
}
