// Package gate decides whether a request is meant for this service.
//
// The server asks a [Gate] before the router, concurrently, for each request except probes and those beyond its limits.
package gate

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/httpserver/bind/wire"
)

// Gate decides by the host that a request names, and by the page that made a browser send it. It is immutable.
type Gate struct {
	// hosts are the names by which clients may call the service. With loopback, every name of the loopback is allowed as well.
	// Without hosts and without loopback, every name is allowed.
	hosts    []string
	loopback bool
	// origins are the sites whose pages may read answers; any stands for all of them.
	origins     []string
	any         bool
	credentials bool
	// MaxAge is for how many seconds a browser may keep the answer to a preflight.
	MaxAge string
	cross  *http.CrossOriginProtection
}

// New makes the gate of the settings. A service that listens on the loopback alone answers for the names of the loopback, for the hosts
// that the settings name, and for no other, unless the settings allow all with "*". Otherwise the owner of another site could have the
// name of the site resolve to 127.0.0.1, and pages of the site could read answers ("DNS rebinding").
func New(cfg config.HTTP) (*Gate, error) {
	g := &Gate{
		origins: cfg.CORSOrigins, any: slices.Contains(cfg.CORSOrigins, "*"), credentials: cfg.CORSCredentials,
		MaxAge: strconv.Itoa(int(cfg.CORSMaxAge / time.Second)), cross: http.NewCrossOriginProtection(),
	}
	if !slices.Contains(cfg.Hosts, "*") {
		g.loopback = listensOnLoopback(cfg.Addr)
		for _, host := range cfg.Hosts {
			g.hosts = append(g.hosts, strings.ToLower(host))
		}
	}
	for _, origin := range cfg.CORSOrigins {
		if origin == "*" {
			continue
		}
		if err := g.cross.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// AnswersAnyHost reports whether no setting says by which names clients may call the service.
func (g *Gate) AnswersAnyHost() bool { return g.hosts == nil && !g.loopback }

// listensOnLoopback reports whether only this machine reaches the address.
func listensOnLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopback(host)
}

// isLoopback reports whether host is a name or an address of the loopback.
func isLoopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// Knows reports whether the service answers for the host that a request names.
func (g *Gate) Knows(given string) bool {
	if g.hosts == nil && !g.loopback {
		return true
	}
	host := given
	if h, _, err := net.SplitHostPort(given); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.Contains(g.hosts, host) || slices.Contains(g.hosts, strings.ToLower(given)) || g.loopback && isLoopback(host)
}

// Admits returns nil for a request that the service handles. It refuses a host that the service does not answer for, and a request that a
// page of another site made a browser send.
func (g *Gate) Admits(r *http.Request) error {
	if !g.Knows(r.Host) {
		return app.Errorf(app.Misdirected, "this service does not answer for the host %q; the setting APP_HTTP_HOSTS names those it answers for", wire.Clip(r.Host))
	}
	if g.any && len(r.Header["Cookie"]) == 0 {
		return nil // all origins are allowed, and without a cookie the request acts for no user
	}
	if err := g.cross.Check(r); err != nil {
		return app.Errorf(app.Forbidden, "a page of another site made this request; the setting APP_HTTP_CORS_ORIGINS names the sites that may").Because(err)
	}
	return nil
}

// allows reports whether pages of the origin may read answers.
func (g *Gate) allows(origin string) bool {
	return origin != "" && (g.any || slices.Contains(g.origins, origin))
}

// exposed are the headers of answers that pages of other origins may read, besides those that the standard lists.
const exposed = "ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"

// SetOrigin sets the headers with which a browser lets a page of another origin read the answer.
func (g *Gate) SetOrigin(h http.Header, r *http.Request) {
	if len(g.origins) == 0 {
		return
	}
	origin := r.Header.Get("Origin")
	if g.any && !g.credentials {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Vary", "Origin")
		if !g.allows(origin) {
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
	}
	h.Set("Access-Control-Expose-Headers", exposed)
	if g.credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// IsPreflight reports whether r is the question of a browser whether a page may send a request, for a page of an allowed origin.
func (g *Gate) IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" && g.allows(r.Header.Get("Origin"))
}
