package apptest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/httpclient"
)

// OutgoingStub stands in for the network that the plugins' *http.Client calls: it answers what a test expects to be called. It is a part for
// [New], made with [Outgoing], and safe for concurrent use. The client itself is the real one: it retries, leaves failing
// targets alone, and adds its headers; it waits no more than milliseconds for it.
type OutgoingStub struct {
	fx.Option
	t testing.TB

	mu       sync.Mutex
	expected []*Expectation
	calls    []Call
}

// Call is a request that a plugin's client has sent.
type Call struct {
	// Method and URL are the request line.
	Method, URL string
	// Header are the headers, with those that the client adds.
	Header http.Header
	// Body is the whole body.
	Body string
}

// Outgoing returns a part that answers the calls which the test expects, in the place of other services. Any other call fails the
// test, and so does at its end an expectation that was not met. Without the part, the client reaches this machine alone, and a call of another fails the
// test. The part goes to rules.With too.
//
//	pay := apptest.Outgoing(t)
//	pay.Expect("POST https://pay.example/charges").JSON(`{"amount":4990}`).Answer(http.StatusCreated, `{"id":"ch_1"}`)
//	h := apptest.New(t, pay, payments.Module)
func Outgoing(t testing.TB) *OutgoingStub {
	o := &OutgoingStub{t: t}
	o.Option = fx.Decorate(func(*http.Client) *http.Client { return o.Client() }) // for rules.With
	t.Cleanup(o.finish)
	return o
}

// Expectation is a call that a test expects, with its answer, which is 200 with an empty body unless another is given.
type Expectation struct {
	stub    *OutgoingStub
	what    string // "POST https://pay.example/charges"
	header  map[string]string
	body    *string
	times   int // how often; 0 is any number
	met     int
	status  int
	answers http.Header
	content string
	err     error
}

// Expect expects one call, given as method and URL. Expectations of one call are met in their order. Set up an expectation before
// the call is made.
func (o *OutgoingStub) Expect(call string) *Expectation {
	e := &Expectation{stub: o, what: call, header: map[string]string{}, times: 1, status: http.StatusOK, answers: http.Header{}}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expected = append(o.expected, e)
	return e
}

// Header expects a header of the call. An empty value expects any that is not empty.
func (e *Expectation) Header(name, value string) *Expectation {
	return e.set(func() { e.header[name] = value })
}

// JSON expects the body of the call to be this JSON, however it is written.
func (e *Expectation) JSON(body string) *Expectation { return e.set(func() { e.body = &body }) }

// Times expects the call n times; 0 allows any number, none too.
func (e *Expectation) Times(n int) *Expectation { return e.set(func() { e.times = n }) }

// Answer gives the call an answer. A body that looks like JSON gets the media type of it.
func (e *Expectation) Answer(status int, body string) *Expectation {
	return e.set(func() {
		e.status, e.content = status, body
		if strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[") {
			e.answers.Set("Content-Type", "application/json")
		}
	})
}

// AnswerHeader adds a header to the answer.
func (e *Expectation) AnswerHeader(name, value string) *Expectation {
	return e.set(func() { e.answers.Add(name, value) })
}

// Fail has the call fail with err, as when there is no connection.
func (e *Expectation) Fail(err error) *Expectation { return e.set(func() { e.err = err }) }

func (e *Expectation) set(change func()) *Expectation {
	e.stub.mu.Lock()
	defer e.stub.mu.Unlock()
	change()
	return e
}

// Calls returns what was sent so far, repetitions too.
func (o *OutgoingStub) Calls() []Call {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.calls)
}

// Client returns a client for plugins made by hand, like the one that the host gives them, with the settings' defaults.
func (o *OutgoingStub) Client() *http.Client {
	client, err := httpclient.New(httpclient.Params{Settings: config.Default().Outgoing, Network: o.network(), Pace: quick()})
	if err != nil {
		o.t.Fatalf("make a client: %v", err)
	}
	return client
}

func (o *OutgoingStub) network() *httpclient.Network { return &httpclient.Network{RoundTripper: o} }

// quick has nobody wait.
func quick() httpclient.Pace {
	return httpclient.Pace{First: time.Millisecond, Longest: 5 * time.Millisecond, CoolDown: 50 * time.Millisecond}
}

// RoundTrip implements http.RoundTripper for the client.
func (o *OutgoingStub) RoundTrip(r *http.Request) (*http.Response, error) {
	call := Call{Method: r.Method, URL: r.URL.String(), Header: r.Header.Clone()}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close() // it was only read
		if err != nil {
			return nil, err
		}
		call.Body = string(body)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, call)
	e, why := o.meant(call)
	if e == nil {
		o.t.Errorf("%s", why)
		return nil, app.Permanent(errors.New(why)) // a delivery that is tried again would fail again
	}
	e.met++
	if e.err != nil {
		return nil, e.err
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", e.status, http.StatusText(e.status)), StatusCode: e.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: e.answers.Clone(), Body: io.NopCloser(strings.NewReader(e.content)), ContentLength: int64(len(e.content)), Request: r,
	}, nil
}

// meant returns the expectation that a call meets, or why there is none.
func (o *OutgoingStub) meant(call Call) (found *Expectation, why string) {
	var near []string
	for _, e := range o.expected {
		if e.what != call.Method+" "+call.URL {
			continue
		}
		if e.times > 0 && e.met >= e.times {
			near = append(near, fmt.Sprintf("it was expected %d times and came again", e.times))
			continue
		}
		if differs := e.differs(call); differs != "" {
			near = append(near, differs)
			continue
		}
		return e, ""
	}
	if len(near) == 0 {
		near = []string{"expected are: " + strings.Join(o.names(), ", ")}
	}
	return nil, fmt.Sprintf("the call %s %s with the body %q was not expected; %s", call.Method, call.URL, call.Body, strings.Join(near, "; "))
}

func (o *OutgoingStub) names() []string {
	names := []string{}
	for _, e := range o.expected {
		names = append(names, e.what)
	}
	if len(names) == 0 {
		return []string{"none"}
	}
	return names
}

// differs says in what a call is not the expected one, or "".
func (e *Expectation) differs(call Call) string {
	for _, name := range slices.Sorted(maps.Keys(e.header)) {
		want, got := e.header[name], call.Header.Get(name)
		if want == "" && got == "" || want != "" && got != want {
			return fmt.Sprintf("the header %s is %q, expected %q", name, got, want)
		}
	}
	if e.body != nil && canonical(*e.body) != canonical(call.Body) {
		return "the body is not " + *e.body
	}
	return ""
}

// canonical returns JSON in one form; text that is none as it is.
func canonical(text string) string {
	v := jsontext.Value(bytes.Clone([]byte(text)))
	if json.Unmarshal(v, new(any)) != nil || v.Canonicalize() != nil {
		return text
	}
	return string(v)
}

// finish fails the test for expectations that were not met.
func (o *OutgoingStub) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.expected {
		if e.met < e.times {
			o.t.Errorf("the call %s was expected %d times and came %d times", e.what, e.times, e.met)
		}
	}
}

// outgoing gives the client the stub for a network, or this machine alone.
func (s *sorted) outgoing(t testing.TB) fx.Option {
	network := &httpclient.Network{RoundTripper: &local{t, http.DefaultTransport.(*http.Transport).Clone()}} //nolint:forcetypeassert // net/http documents it
	if s.network != nil {
		network = s.network.network()
	}
	return fx.Supply(network, quick())
}

// local is a network that ends at this machine, where httptest's servers are.
type local struct {
	t testing.TB
	*http.Transport
}

// RoundTrip implements http.RoundTripper.
func (l *local) RoundTrip(r *http.Request) (*http.Response, error) {
	host := r.URL.Hostname()
	address, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !address.IsLoopback()) {
		err := fmt.Errorf("a test does not call %s; stand in for it with apptest.Outgoing", host)
		l.t.Error(err)
		return nil, app.Permanent(err) // a delivery that is tried again would fail again
	}
	return l.Transport.RoundTrip(r)
}
