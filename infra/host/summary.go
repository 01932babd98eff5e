package host

import (
	"fmt"
	"net"
	"strings"
	"text/tabwriter"
	"time"

	"plugboard/config"
)

// numbers are what the application consists of.
type numbers struct{ domains, plugins, routes, topics, subscriptions, schedules int }

func (a *App) count() numbers {
	n := numbers{domains: len(a.inv.domains), plugins: len(a.booted)}
	topics := map[string]bool{}
	for _, p := range a.booted {
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

// counts renders "2 domains, 7 plugins, 7 routes, 3 events, 1 subscription", and the schedules where there are some.
func (a *App) counts() string {
	n := a.count()
	all := []string{
		amount(n.domains, "domain"), amount(n.plugins, "plugin"), amount(n.routes, "route"),
		amount(n.topics, "event"), amount(n.subscriptions, "subscription"),
	}
	if n.schedules > 0 {
		all = append(all, amount(n.schedules, "schedule"))
	}
	return strings.Join(all, ", ")
}

func amount(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Summary describes the running application in a short table: what it consists of, how long its start took, and
// its addresses.
func (a *App) Summary() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, value string) { _, _ = fmt.Fprintf(t, "  %s\t%s\n", name, value) } // to a Builder
	_, _ = fmt.Fprintf(t, "ready in %s\n", a.took.Round(time.Millisecond))
	row("consists of", a.counts())
	row("database", a.database())
	row("work pool", a.parts.Pool.Describe())
	row("address", a.url(""))
	if a.cfg.HTTP.ShowsDocs(a.cfg.App) && a.parts.Spec != nil {
		row("documentation", a.url("/docs"))
	}
	row("readiness", a.url("/readyz"))
	if ops := a.parts.Server.OpsAddr(); ops != "" {
		row("metrics", "http://"+reachable(ops)+"/metrics")
	}
	_ = t.Flush()
	return b.String()
}

func (a *App) database() string { return config.Redact(a.cfg.Database.URL) }

// url is the address of path as a client on this machine reaches it.
func (a *App) url(path string) string { return scheme(a.cfg.HTTP) + reachable(a.Addr()) + path }

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
