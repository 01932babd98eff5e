package rules

import (
	"context"
	"net/http"
	"path"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/app/apptest/internal/signed"
	"plugboard/app/apptest/rules/internal/agree"
)

// startOptions are what the options say of the service that generated requests are made to.
type startOptions struct {
	header  http.Header
	prepare []func(t testing.TB, service http.Handler)
	reached bool
	// unreached are operations that reached does not ask for, with the reasons.
	unreached map[string]string
	madeBy    func(t testing.TB, a *apptest.App) func(*http.Request)
}

// Header has the subtests requests and access send a header with every request, such as the key that guards want to see. The subtest access leaves
// out what tells who calls.
func Header(name, value string) Option {
	return func(o *options) {
		if o.start.header == nil {
			o.start.header = http.Header{}
		}
		o.start.header.Add(name, value)
	}
}

// MadeBy has the subtest requests make its requests as somebody whom the service's authenticator knows: prepare returns what gives a request the
// credentials. It is called once for each started service. Without MadeBy, and unless [Header] gives Authorization or Cookie, the requests are made by
// a principal of the kit who has all permissions and has just signed in. That is enough unless handlers look the caller up.
func MadeBy(prepare func(t testing.TB, a *apptest.App) func(*http.Request)) Option {
	return func(o *options) { o.start.madeBy = prepare }
}

// Prepare has the subtest requests call fn with the started service, before it makes requests: for what generated requests alone do not
// bring about. Before that, requests of its own have filled the service as far as they can. There is one service for all operations, and another
// one for each that deletes.
func Prepare(fn func(t testing.TB, service http.Handler)) Option {
	return func(o *options) { o.start.prepare = append(o.start.prepare, fn) }
}

// AllReached has the subtest requests fail for operations that answer no request with success. Without it their subtests are skipped then,
// since of these operations nothing but refusals was seen.
func AllReached() Option {
	return func(o *options) { o.start.reached = true }
}

// Unreached says which operations [AllReached] does not ask for, by their ids, and why: what they need is sent by mail, for example.
func Unreached(reason string, operations ...string) Option {
	return func(o *options) {
		if o.start.unreached == nil {
			o.start.unreached = map[string]string{}
		}
		for _, id := range operations {
			o.start.unreached[id] = reason
		}
	}
}

// settleTimeout is how long the handling of the events of prepared requests may take.
const settleTimeout = time.Minute

// testRequests is the rule that the service does what the description of the API says, tried with generated requests.
func testRequests(t *testing.T, s *site) {
	t.Helper()
	_, text := s.documented(t)
	document, err := agree.Read([]byte(text))
	if err != nil {
		t.Fatalf("%v; %s", err, remedy)
	}
	document.Hold(t, func(t *testing.T) agree.Service { return s.filled(t, document) }, s.unreached)
}

// filled starts a service with something in it.
func (s *site) filled(t *testing.T, document *agree.Document) agree.Service {
	t.Helper()
	var metrics prometheus.Gatherer
	a := s.running(t, apptest.SQLite(t).URL, fx.Populate(&metrics))
	give := s.madeBy(t, apptest.Around(t, a, metrics))
	service := agree.Service{Header: s.start.header, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		give(r)
		a.Handler().ServeHTTP(w, r)
	})}
	document.Fill(service)
	for _, prepare := range s.start.prepare {
		prepare(t, service.Handler)
	}
	ctx, cancel := context.WithTimeout(t.Context(), settleTimeout)
	defer cancel()
	if err := a.Bus().Idle(ctx); err != nil {
		t.Fatalf("wait for events to be handled: %v", err)
	}
	return service
}

// madeBy returns what gives a request the credentials of whoever makes it.
func (s *site) madeBy(t *testing.T, a *apptest.App) func(*http.Request) {
	t.Helper()
	switch {
	case s.start.madeBy != nil:
		return s.start.madeBy(t, a)
	case s.start.header.Get("Authorization") != "", s.start.header.Get("Cookie") != "":
		return func(*http.Request) {}
	default:
		return func(r *http.Request) {
			*r = *signed.In(r, app.Principal{ID: "rules", Permissions: []string{app.AllPermissions}, SignedInAt: time.Now()})
		}
	}
}

// unreached ends the test of an operation that answered no request with success.
func (s *site) unreached(t *testing.T) {
	t.Helper()
	const text = "no request was answered with success, so nothing but refusals was seen: rules.Prepare stores what the operation needs, " +
		"rules.Header sends what its guard asks for"
	if reason, known := s.start.unreached[path.Base(t.Name())]; known {
		t.Skip("not reached: " + reason)
	}
	if s.start.reached {
		t.Error(text + "; without rules.AllReached this is skipped")
		return
	}
	t.Skip(text)
}
