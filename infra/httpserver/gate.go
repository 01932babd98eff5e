package httpserver

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"plugboard/app"
	"plugboard/config"
)

// gate decides before anything else whether a request is meant for this service and may come from where it does: by the host
// that it names, and by the page that made a browser send it.
type gate struct {
	// hosts are the names that clients may call the service by; nil allows any. With loopback, every name of the
	// loopback is allowed as well.
	hosts    []string
	loopback bool
	// origins are the sites whose pages may read answers; any stands for all of them.
	origins     []string
	any         bool
	credentials bool
	maxAge      string
	cross       *http.CrossOriginProtection
}

// newGate makes the gate of the settings. A service that listens on the loopback alone answers for the loopback's names
// unless others are named: a page of another site could have its own name lead to 127.0.0.1, and read what it likes
// ("DNS rebinding").
func newGate(cfg config.HTTP) (*gate, error) {
	g := &gate{
		origins: cfg.CORSOrigins, any: slices.Contains(cfg.CORSOrigins, "*"), credentials: cfg.CORSCredentials,
		maxAge: strconv.Itoa(int(cfg.CORSMaxAge / time.Second)), cross: http.NewCrossOriginProtection(),
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
func (s *Server) AnswersAnyHost() bool {
	return s.gate.hosts == nil && !s.gate.loopback && !slices.Contains(s.config.Hosts, "*")
}

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

// knows reports whether the service answers for the host that a request names.
func (g *gate) knows(given string) bool {
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

// admits decides about the request of x. Probes may name any host: they come by address.
func (g *gate) admits(x *exchange) error {
	r := x.request
	if isProbe(r.URL.Path) {
		return nil
	}
	if !g.knows(r.Host) {
		return app.Errorf(app.Misdirected, "this service does not answer for the host %q; the setting APP_HTTP_HOSTS names those it answers for", clip(r.Host))
	}
	if g.any && len(r.Header["Cookie"]) == 0 {
		return nil // an open service, and a request that acts for nobody
	}
	if err := g.cross.Check(r); err != nil {
		return app.Errorf(app.Forbidden, "a page of another site made this request; the setting APP_HTTP_CORS_ORIGINS names the sites that may").Because(err)
	}
	return nil
}

// allows reports whether pages of the origin may read answers.
func (g *gate) allows(origin string) bool {
	return origin != "" && (g.any || slices.Contains(g.origins, origin))
}

// exposed are the headers of answers that pages of other origins may read beside those that the standard lists.
const exposed = "ETag, Link, Location, Retry-After, X-Request-Id"

// setOrigin sets the headers by which a browser lets a page of another origin read the answer, whatever that will be.
func (g *gate) setOrigin(h http.Header, r *http.Request) {
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

// isPreflight reports whether r is a browser's question whether a page may send another request, from an origin that may.
func (g *gate) isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" && g.allows(r.Header.Get("Origin"))
}

// usualHeaders are the headers that every endpoint takes.
const usualHeaders = "Accept, Authorization, Content-Type, If-Match, If-None-Match, Range, Traceparent, X-Request-Id"

// answerPreflight tells a browser which methods the path of x's request takes, and which headers the endpoint that it asks
// for reads. It is answered from the registrations: no guard and no plugin sees it.
func (s *Server) answerPreflight(x *exchange) {
	r, h := x.request, x.Header()
	methods := []string{}
	headers := []string{usualHeaders}
	for method, e := range s.endpointsAt(r.URL) {
		methods = append(methods, method)
		if method != r.Header.Get("Access-Control-Request-Method") {
			continue
		}
		if e.binder == nil { // a raw endpoint reads what it likes
			if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
				headers = append(headers, asked)
			}
			continue
		}
		for _, field := range e.binder.header {
			headers = append(headers, field.name)
		}
	}
	slices.Sort(methods)
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	h.Set("Access-Control-Allow-Headers", strings.Join(headers, ", "))
	h.Set("Access-Control-Max-Age", s.gate.maxAge)
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	x.sendEmpty(http.StatusNoContent)
}

// endpointsAt returns the endpoints that serve the path of u, by method. Of several for one method the more literal one
// counts, as for the router.
func (s *Server) endpointsAt(u *url.URL) map[string]*endpoint {
	given := pathSegments(u)
	found, scores := map[string]*endpoint{}, map[string]int{}
	for _, e := range s.mounted {
		score, ok := matchPath(strings.Split(e.Path, "/"), given)
		if ok && (found[e.Method] == nil || score > scores[e.Method]) {
			found[e.Method], scores[e.Method] = e, score
		}
	}
	if found[http.MethodGet] != nil && found[http.MethodHead] == nil {
		found[http.MethodHead] = found[http.MethodGet]
	}
	return found
}

// matchPath reports whether the segments of a path fit those of a route, and how many of these are literal.
func matchPath(route, given []string) (literal int, ok bool) {
	for i, segment := range route {
		_, wild := wildcard(segment)
		switch {
		case wild && segment[0] == '*':
			return literal, len(given) > i
		case i >= len(given):
			return 0, false
		case wild:
			if given[i] == "" {
				return 0, false
			}
		case segment != given[i]:
			return 0, false
		default:
			literal++
		}
	}
	return literal, len(given) == len(route)
}

// apiPolicy is the policy of answers that are data: a browser that shows one loads and runs nothing, and no page frames it.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'"

// setHostHeaders sets the headers that every answer has unless its plugin, or the page at /docs, has others.
func (s *Server) setHostHeaders(h http.Header) {
	h["X-Content-Type-Options"] = s.nosniff
	h["Content-Security-Policy"] = s.policy
	h["Referrer-Policy"] = s.noReferrer
	h["Cache-Control"] = s.noStore
}
