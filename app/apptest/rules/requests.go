package rules

import (
	"context"
	"net/http"
	"testing"
	"time"

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
}

// Header has the subtests requests and access send a header with every request, such as the key that guards want to see. The requests of the
// first are made by a principal with all permissions who has signed in just now, unless it is Authorization or Cookie that is given.
func Header(name, value string) Option {
	return func(o *options) {
		if o.start.header == nil {
			o.start.header = http.Header{}
		}
		o.start.header.Add(name, value)
	}
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
	a := s.running(t, apptest.SQLite(t).URL)
	service := agree.Service{Handler: a.Handler(), Header: s.start.header}
	if s.start.header.Get("Authorization") == "" && s.start.header.Get("Cookie") == "" {
		service.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.Handler().ServeHTTP(w, signed.In(r, app.Principal{ID: "rules", Permissions: []string{app.AllPermissions}, SignedInAt: time.Now()}))
		})
	}
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

// unreached ends the test of an operation that answered no request with success.
func (s *site) unreached(t *testing.T) {
	t.Helper()
	const text = "no request was answered with success, so nothing but refusals was seen: rules.Prepare stores what the operation needs, " +
		"rules.Header sends what its guard asks for"
	if s.start.reached {
		t.Error(text + "; without rules.AllReached this is skipped")
		return
	}
	t.Skip(text)
}
