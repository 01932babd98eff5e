package httpserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/httpserver/internal/ratelimit"
)

// SharedLimits counts requests for all processes of the service. It is safe for concurrent use. The package sharedlimit has one.
type SharedLimits interface {
	// Take counts a request of key, and reports whether it did: not when the bucket would then be full again only after the time full.
	// Interval is what a request adds to that time, and ahead how long it is after the decision. An error means that nobody
	// knows; its code is app.Unavailable unless ctx has ended. Take may block until then.
	Take(ctx context.Context, key [16]byte, interval, full time.Duration) (ahead time.Duration, taken bool, err error)
	// Return takes back a request that Take has counted. Its errors are those of Take.
	Return(ctx context.Context, key [16]byte, interval time.Duration) error
}

// ShareLimits has the server count with l what limits that are shared count. Without it they count in memory, which only one process
// shares. Call it before [Server.Serve].
func (s *Server) ShareLimits(l SharedLimits) { s.limiter.shared = l }

// HasSharedLimits reports whether an endpoint has a limit that is shared. Call it after [Server.Check].
func (s *Server) HasSharedLimits() bool {
	return s.anyLimit(func(k app.LimitKey) bool { return k.InDatabase })
}

func (s *Server) anyLimit(is func(app.LimitKey) bool) bool {
	return slices.ContainsFunc(s.mounted, func(e *endpoint) bool {
		return slices.ContainsFunc(e.Options.Limits, func(l app.RateLimit) bool { return is(l.Key) })
	})
}

// limiter has what the limits of all endpoints share.
type limiter struct {
	memory *ratelimit.Memory // nil without limits
	shared SharedLimits      // may be nil
	count  uint32            // of limits
	// begun is the beginning of the time that memory goes by.
	begun time.Time
	// warned is true once a header of a proxy was met that is not believed.
	warned atomic.Bool
}

// limits are those of an endpoint. They are immutable.
type limits struct {
	policy            []string // the header RateLimit-Policy
	client, principal []limit  // those that are shared come last
}

// limit is one limit of an endpoint.
type limit struct {
	app.RateLimit

	name   string // in the headers
	number uint32 // tells the limits of the server apart
	rate   ratelimit.Rate
	// shared identifies the limit in all processes; "" for one in memory.
	shared string
}

// An endpoint has up to mostLimits limits, each of up to mostRequests in shortestPer to longestPer.
const (
	mostLimits   = 8
	mostRequests = 1_000_000
	shortestPer  = time.Second
	longestPer   = 24 * time.Hour
)

// applyLimits compiles the limits of the endpoint and returns what is wrong with them.
func (e *endpoint) applyLimits() (wrong []string) {
	given := e.Options.Limits
	if len(given) > mostLimits {
		wrong = append(wrong, fmt.Sprintf("app.Limit is there %d times, with those of the domain; %d are the most", len(given), mostLimits))
	}
	for _, l := range given {
		if l.Requests < 1 || l.Requests > mostRequests {
			wrong = append(wrong, fmt.Sprintf("app.Limit takes from 1 to %d requests, and not %d", mostRequests, l.Requests))
		}
		if l.Per < shortestPer || l.Per > longestPer {
			wrong = append(wrong, fmt.Sprintf("app.Limit takes a time from %s to %s, and not %s", shortestPer, longestPer, l.Per))
		}
	}
	perPrincipal := func(l app.RateLimit) bool { return l.Key.Principal }
	if e.access.Public && slices.ContainsFunc(given, perPrincipal) {
		wrong = append(wrong, "app.Limit counts per principal, and everybody may call this endpoint: add app.SignedIn or app.Can, or count by app.PerClient")
	}
	if len(given) > 0 && len(wrong) == 0 {
		e.limits = e.compileLimits()
	}
	return wrong
}

// compileLimits compiles the limits, which are right.
func (e *endpoint) compileLimits() *limits {
	of := &e.server.limiter
	if of.memory == nil {
		of.memory, of.begun = ratelimit.NewMemory(), time.Now()
	}
	compiled, policy := &limits{}, []string{}
	for _, given := range e.Options.Limits {
		l := limit{RateLimit: given, rate: ratelimit.NewRate(given.Requests, given.Per), number: of.count}
		of.count++
		list, kind := &compiled.client, "client"
		if given.Key.Principal {
			list, kind = &compiled.principal, "principal"
		}
		l.name = kind
		if n := len(*list); n > 0 {
			l.name += "-" + strconv.Itoa(n+1)
		}
		if given.Key.InDatabase {
			l.shared = strings.Join([]string{e.Method, e.Path, kind, strconv.Itoa(given.Requests), given.Per.String(), ""}, "\n")
		}
		*list = append(*list, l)
		policy = append(policy, fmt.Sprintf("%q;q=%d;w=%d", l.name, l.Requests, seconds(l.Per)))
	}
	sharedLast := func(x, y limit) int { return min(len(x.shared), 1) - min(len(y.shared), 1) }
	slices.SortStableFunc(compiled.client, sharedLast)
	slices.SortStableFunc(compiled.principal, sharedLast)
	compiled.policy = []string{strings.Join(policy, ", ")}
	return compiled
}

// seconds returns d in seconds, rounded up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// limitClient counts the request for its client's address, and refuses it beyond a limit. It is asked before anybody looks who calls, so
// what it has counted stays counted when the caller is refused after it.
func (e *endpoint) limitClient(ctx context.Context, x *exchange) error {
	if e.limits == nil || len(e.limits.client) == 0 {
		return nil
	}
	e.server.warnOfForwarded(x)
	return e.limit(ctx, x, e.limits.client, clientOf(x.client()))
}

// errUnknownPrincipal is a bug of the host: an endpoint whose callers are not asked for has a limit for each of them.
var errUnknownPrincipal = errors.New("limit requests: there is no principal to count them for")

// limitPrincipal counts the request for its principal, and refuses it beyond a limit.
func (e *endpoint) limitPrincipal(ctx context.Context, x *exchange) error {
	if e.limits == nil || len(e.limits.principal) == 0 {
		return nil
	}
	if x.call.Principal == nil {
		return errUnknownPrincipal
	}
	by := subject{id: x.call.Principal.ID}
	by.high, by.low = e.server.limiter.memory.Hash(by.id)
	return e.limit(ctx, x, e.limits.principal, by)
}

// subject is whose requests are counted: by the two numbers in memory, by id in the database.
type subject struct {
	high, low uint64
	id        string
}

// clientOf returns the subject for a client's address: its network. All that are no addresses are one.
func clientOf(address string) subject {
	network := app.NetworkOf(address)
	if !network.IsValid() {
		return subject{low: 1} // which no address has
	}
	b := network.Addr().As16()
	by := subject{id: string(b[:])}
	for i := range 8 {
		by.high, by.low = by.high<<8|uint64(b[i]), by.low<<8|uint64(b[8+i])
	}
	return by
}

// limit counts the request for by in all of the limits, or in none if one refuses it. It asks those in the database last, since each of
// these costs a write.
func (e *endpoint) limit(ctx context.Context, x *exchange, all []limit, by subject) error {
	stands := make([]ratelimit.State, 0, mostLimits)
	for i := range all {
		state, err := e.server.limiter.take(ctx, &all[i], by)
		if err == nil && !state.Refused {
			stands = append(stands, state)
			continue
		}
		for before, counted := range stands {
			stands[before] = e.server.limiter.giveBack(ctx, &all[before], by, counted)
		}
		if err == nil {
			stands, err = append(stands, state), all[i].refusal(state)
		}
		x.addQuota(all, stands)
		return err
	}
	x.addQuota(all, stands)
	return nil
}

// refusal is the answer to a request beyond the limit.
func (l *limit) refusal(state ratelimit.State) error {
	return &app.Error{Code: app.TooMany, Message: fmt.Sprintf("too many requests: %d in %s are let through", l.Requests, l.Per), RetryAfter: state.Retry}
}

// key identifies by in memory.
func (l *limit) key(by subject) ratelimit.Key {
	return ratelimit.Key{Limit: l.number, High: by.high, Low: by.low}
}

// sharedKey identifies by in the database. It is a hash, so that the rows have one size and do not tell whom they count.
func (l *limit) sharedKey(by subject) [16]byte {
	sum := sha256.Sum256([]byte(l.shared + by.id))
	return [16]byte(sum[:16])
}

// take counts a request in memory, or in the database if the limit is shared and there is one.
func (r *limiter) take(ctx context.Context, l *limit, by subject) (ratelimit.State, error) {
	if l.shared == "" || r.shared == nil {
		return r.memory.Take(time.Since(r.begun), l.key(by), l.rate), nil
	}
	ahead, taken, err := r.shared.Take(ctx, l.sharedKey(by), l.rate.Interval(), l.rate.Full())
	if err != nil {
		return ratelimit.State{}, err
	}
	return l.rate.State(ahead, !taken), nil
}

// giveBack takes back what take has counted. Where the database cannot do that any more, the request stays counted there.
func (r *limiter) giveBack(ctx context.Context, l *limit, by subject, state ratelimit.State) ratelimit.State {
	if l.shared == "" || r.shared == nil {
		return r.memory.Return(time.Since(r.begun), l.key(by), l.rate)
	}
	if r.shared.Return(ctx, l.sharedKey(by), l.rate.Interval()) != nil {
		return state
	}
	return l.rate.State(state.Reset-l.rate.Interval(), false)
}

// addQuota notes for the header RateLimit how the first limits of all stand, and sets it. T of an item is after how many seconds the whole limit is there
// again.
func (x *exchange) addQuota(all []limit, stands []ratelimit.State) {
	b := append(make([]byte, 0, 96), x.quota...)
	for i, state := range stands {
		if len(b) > 0 {
			b = append(b, ", "...)
		}
		b = append(append(append(b, '"'), all[i].name...), `";r=`...)
		b = append(strconv.AppendInt(b, state.Remaining, 10), ";t="...)
		b = strconv.AppendInt(b, seconds(state.Reset), 10)
	}
	x.quota = string(b)
	x.setLimits(x.Header())
}

// setLimits sets the headers of an endpoint with limits, as draft-ietf-httpapi-ratelimit-headers has them since its version 08. Before the
// limits were asked there is no RateLimit.
func (x *exchange) setLimits(h map[string][]string) {
	if x.endpoint == nil || x.endpoint.limits == nil {
		return
	}
	h["Ratelimit-Policy"] = x.endpoint.limits.policy
	if x.quota != "" {
		h["Ratelimit"] = []string{x.quota}
	}
}

// warnOfForwarded warns once when a request has come through a proxy that is not trusted, since all its clients then count as one.
func (s *Server) warnOfForwarded(x *exchange) {
	if len(s.config.TrustedProxies) > 0 || s.limiter.warned.Load() {
		return
	}
	h := x.request.Header
	if h["X-Forwarded-For"] == nil && h["Forwarded"] == nil || s.limiter.warned.Swap(true) {
		return
	}
	s.logger.Warn("a proxy passed on a request to an endpoint with a limit per client, and is not trusted: all its clients count as one; set APP_HTTP_TRUSTED_PROXIES to the proxy's address",
		append(x.identity(), zap.String("remote", x.client()))...)
}

// warnOfClients warns when clients of other machines are limited by their addresses, and no proxy is trusted to tell these.
func (s *Server) warnOfClients(listening net.Addr) {
	tcp, ok := listening.(*net.TCPAddr)
	perClient := func(k app.LimitKey) bool { return !k.Principal }
	if ok && tcp.IP.IsLoopback() || len(s.config.TrustedProxies) > 0 || !s.anyLimit(perClient) {
		return
	}
	s.logger.Warn("endpoints have limits per client, and APP_HTTP_TRUSTED_PROXIES is empty: behind a proxy all clients count as one")
}
