package cli

import (
	"fmt"
	"net"
	"strings"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/host/application"
)

// numbers are what an application consists of.
type numbers struct{ domains, plugins, routes, topics, subscriptions, schedules, loops int }

func count(a *application.App) numbers {
	plugins := a.Registrar().Plugins()
	n := numbers{domains: len(a.Models()), plugins: len(plugins), loops: len(a.Loops())}
	topics := map[string]bool{}
	for _, p := range plugins {
		n.routes += len(p.Boot.Endpoints())
		n.subscriptions += len(p.Boot.Subscriptions())
		n.schedules += len(p.Boot.Schedules())
		for _, pub := range p.Boot.Publications() {
			topics[pub.Event.Topic()] = true
		}
	}
	n.topics = len(topics)
	return n
}

// String renders "2 domains, 7 plugins, 7 routes, 3 events, 1 subscription"; schedules and loops follow where there are some.
func (n numbers) String() string {
	all := []string{
		amount(n.domains, "domain"), amount(n.plugins, "plugin"), amount(n.routes, "route"),
		amount(n.topics, "event"), amount(n.subscriptions, "subscription"),
	}
	if n.schedules > 0 {
		all = append(all, amount(n.schedules, "schedule"))
	}
	if n.loops > 0 {
		all = append(all, amount(n.loops, "loop"))
	}
	return strings.Join(all, ", ")
}

func amount(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// summary describes a running application: what it consists of, how long its start took, its addresses.
type summary struct {
	app                                 *application.App
	count                               numbers
	took                                time.Duration
	address, operations, pool, database string
}

func summaryOf(a *application.App, took time.Duration) summary {
	return summary{
		app: a, count: count(a), took: took.Round(time.Millisecond), address: scheme(a.Config().HTTP) + reachable(a.Addr()),
		operations: a.Server().OpsAddr(), pool: a.Pool().String(), database: config.Redact(a.Config().Database.URL),
	}
}

// table is the summary for people.
func (s summary) table() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, value string) { _, _ = fmt.Fprintf(t, "  %s\t%s\n", name, value) } // a Builder takes everything
	_, _ = fmt.Fprintf(t, "ready in %s\n", s.took)
	row("consists of", s.count.String())
	row("database", s.database)
	row("work pool", s.pool)
	row("address", s.address)
	if cfg := s.app.Config(); cfg.HTTP.ShowsDocs(cfg.App) && s.app.Documented() {
		row("documentation", s.address+"/docs")
	}
	row("readiness", s.address+"/readyz")
	if s.operations != "" {
		row("metrics", "http://"+reachable(s.operations)+"/metrics")
	}
	_ = t.Flush()
	return b.String()
}

// fields is the summary for machines.
func (s summary) fields() []zap.Field {
	return []zap.Field{
		zap.String("address", s.address), zap.String("operations", s.operations), zap.Int("plugins", s.count.plugins), zap.Int("routes", s.count.routes),
		zap.Int("events", s.count.topics), zap.Int("subscriptions", s.count.subscriptions), zap.String("pool", s.pool),
		zap.String("database", s.database), zap.Duration("took", s.took),
	}
}

func scheme(cfg config.HTTP) string {
	if cfg.TLSCert != "" {
		return "https://"
	}
	return "http://"
}

// reachable turns a listening address into one to connect to: an unspecified host is the loopback.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	ip := net.ParseIP(host)
	switch {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
