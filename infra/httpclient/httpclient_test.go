package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/config"
	"plugboard/infra/httpclient"
)

// network is a network of a test: a function that answers.
type network func(*http.Request) (*http.Response, error)

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	return n(r)
}

func answer(status int, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("body"))}
}

func client(t *testing.T, n network, change ...func(*httpclient.Params)) *http.Client {
	t.Helper()
	p := httpclient.Params{Settings: config.Default().Outgoing, Network: &httpclient.Network{RoundTripper: n}}
	for _, c := range change {
		c(&p)
	}
	c, err := httpclient.New(p)
	require.NoError(t, err)
	return c
}

func request(ctx context.Context, method, url, body string, headers ...string) *http.Request {
	var r *http.Request
	if body == "" {
		r, _ = http.NewRequestWithContext(ctx, method, url, nil)
	} else {
		r, _ = http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// send makes a call and closes the answer.
func send(c *http.Client, r *http.Request) (status int, err error) {
	res, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Body.Close()
}

// Idempotent calls are repeated with their body; others are not; an answer that no repetition mends is not repeated.
func TestIdempotentCallsAreRepeated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, body string
		headers      []string
		first        func() (*http.Response, error)
		tries        int
	}{
		"GET, 503":       {http.MethodGet, "", nil, func() (*http.Response, error) { return answer(503), nil }, 3},
		"GET, broken":    {http.MethodGet, "", nil, func() (*http.Response, error) { return nil, errors.New("reset") }, 3},
		"PUT, 502":       {http.MethodPut, "x", nil, func() (*http.Response, error) { return answer(502), nil }, 3},
		"DELETE, 429":    {http.MethodDelete, "", nil, func() (*http.Response, error) { return answer(429), nil }, 3},
		"GET, 500":       {http.MethodGet, "", nil, func() (*http.Response, error) { return answer(500), nil }, 1},
		"GET, 404":       {http.MethodGet, "", nil, func() (*http.Response, error) { return answer(404), nil }, 1},
		"POST":           {http.MethodPost, "x", nil, func() (*http.Response, error) { return answer(503), nil }, 1},
		"POST, with key": {http.MethodPost, "x", []string{"Idempotency-Key", "k"}, func() (*http.Response, error) { return answer(503), nil }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				cl := client(t, func(r *http.Request) (*http.Response, error) {
					tries++
					if c.body != "" {
						body, err := io.ReadAll(r.Body)
						require.NoError(t, err)
						require.Equal(t, c.body, string(body))
					}
					return c.first()
				})
				_, _ = send(cl, request(t.Context(), c.method, "https://pay.example/x", c.body, c.headers...))
				require.Equal(t, c.tries, tries)
			})
		})
	}
}

// A body that can be read once is sent once.
func TestABodyThatCannotBeSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		c := client(t, func(*http.Request) (*http.Response, error) { tries++; return answer(503), nil })
		r := request(t.Context(), http.MethodPut, "https://pay.example/x", "")
		r.Body = io.NopCloser(strings.NewReader("stream"))
		status, err := send(c, r)
		require.NoError(t, err)
		require.Equal(t, 503, status)
		require.Equal(t, 1, tries)
	})
}

// Waits keep to Retry-After, and never go beyond the deadline: the answer that there is, is returned then, at once.
func TestWaitsKeepToTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asks := "2"
		tries := 0
		c := client(t, func(*http.Request) (*http.Response, error) { tries++; return answer(503, "Retry-After", asks), nil })
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		status, err := send(c, request(ctx, http.MethodGet, "https://pay.example/x", ""))
		require.NoError(t, err)
		require.Equal(t, 503, status)
		require.Equal(t, 3, tries)
		require.Equal(t, 4*time.Second, time.Since(begin).Truncate(time.Second))

		for _, asks = range []string{"99999999999999999999999", "3600", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)} {
			begin, tries = time.Now(), 0
			status, err = send(c, request(ctx, http.MethodGet, "https://pay.example/x", ""))
			require.NoError(t, err)
			require.Equal(t, 503, status)
			require.Equal(t, 1, tries)
			require.Zero(t, time.Since(begin))
		}
	})
}

// A context without a deadline gets that of the settings, which covers the body; one that has a deadline keeps it.
func TestACallHasADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }
		c := client(t, hang)
		begin := time.Now()
		_, err := send(c, request(t.Context(), http.MethodGet, "https://pay.example/x", ""))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(begin))

		begin = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = send(c, request(ctx, http.MethodGet, "https://pay.example/x", ""))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

// A target that fails is left alone, with an error that a plugin may return as it is; one call tries whether it is well again.
func TestABreakerOpensAndHeals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failing, calls := true, 0
		registry := prometheus.NewRegistry()
		c := client(t, func(*http.Request) (*http.Response, error) {
			calls++
			if failing {
				return answer(500), nil
			}
			return answer(200), nil
		}, func(p *httpclient.Params) { p.Registerer = registry })
		post := func(host string) (int, error) {
			return send(c, request(t.Context(), http.MethodPost, "https://"+host+"/x?key=hunter2", "x"))
		}
		for range 10 {
			status, err := post("pay.example")
			require.NoError(t, err)
			require.Equal(t, 500, status)
		}
		_, err := post("pay.example")
		require.Equal(t, 10, calls)
		require.Equal(t, app.Unavailable, app.CodeOf(err))
		known, ok := errors.AsType[*app.Error](err)
		require.True(t, ok)
		require.Equal(t, "a service that is needed for this is not available", known.Message)
		require.Equal(t, 5*time.Second, known.RetryAfter)
		require.ErrorContains(t, err, "https://pay.example: calls fail at once for another 5s; 10 of the last 10 calls failed")
		require.InDelta(t, 2, gauge(t, registry, "plugboard_outgoing_breaker"), 0)

		failing = false
		status, err := post("other.example")
		require.NoError(t, err, "another target is another matter")
		require.Equal(t, 200, status)

		app.Sleep(t.Context(), 5*time.Second+time.Millisecond)
		failing = true
		status, err = post("pay.example")
		require.NoError(t, err)
		require.Equal(t, 500, status)
		_, err = post("pay.example")
		require.Equal(t, app.Unavailable, app.CodeOf(err), "the probe failed")

		failing = false
		app.Sleep(t.Context(), 5*time.Second+time.Millisecond)
		for range 20 {
			status, err = post("pay.example")
			require.NoError(t, err)
			require.Equal(t, 200, status)
		}
		require.InDelta(t, 0, gauge(t, registry, "plugboard_outgoing_breaker"), 0)
	})
}

// Callers that give up say nothing about the target.
func TestCallersThatGiveUpOpenNoBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return answer(200), nil
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		for range 30 {
			ctx, cancel := context.WithCancel(t.Context())
			go func() { app.Sleep(t.Context(), time.Millisecond); cancel() }()
			_, err := send(c, request(ctx, http.MethodPost, "https://pay.example/x", "x"))
			require.ErrorIs(t, err, context.Canceled)
		}
		_, err := send(c, request(t.Context(), http.MethodGet, "https://pay.example/x", ""))
		require.NoError(t, err)
	})
}

// While a target answers 503 to all, retries are a tenth of the calls beyond the reserve. The breaker is kept out of it: it sees successes
// of calls that are not repeated.
func TestARetryBudgetBoundsAStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := 0
		c := client(t, func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				return answer(200), nil
			}
			got++
			return answer(429), nil
		})
		const calls = 1000
		for range calls {
			_, err := send(c, request(t.Context(), http.MethodGet, "https://pay.example/x", ""))
			require.NoError(t, err)
		}
		t.Logf("%d calls sent %d requests", calls, got)
		require.LessOrEqual(t, got, calls+calls/10+10)
		require.GreaterOrEqual(t, got, calls+calls/10)
	})
}

func TestACallInATransactionIsRefused(t *testing.T) {
	t.Parallel()
	c := client(t, func(*http.Request) (*http.Response, error) { return answer(200), nil })
	call := &app.Call{Plugin: "shop.x", RequestID: "r"}
	ctx := app.WithCall(t.Context(), call)
	_, err := send(c, request(ctx, http.MethodPost, "https://pay.example/x?key=hunter2", "x"))
	require.NoError(t, err)
	leave := call.EnterTx()
	_, err = send(c, request(ctx, http.MethodPost, "https://pay.example/x", "x"))
	require.ErrorContains(t, err, "POST pay.example inside a database transaction, which would hold the database until the other side answers")
	leave()
	_, err = send(c, request(ctx, http.MethodPost, "https://pay.example/x", "x"))
	require.NoError(t, err)
}

type delivery app.Delivery

func (d delivery) Delivery() app.Delivery         { return app.Delivery(d) }
func (d delivery) Complete(context.Context) error { return nil }
func (d delivery) NewCall() *app.Call             { return &app.Call{Plugin: "shop.x", RequestID: "r"} }

// In a delivery, each call has a key of its own, which another attempt has too.
func TestCallsOfADeliveryHaveAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	var keys []string
	c := client(t, func(r *http.Request) (*http.Response, error) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		return answer(200), nil
	})
	run := func(subscription string, attempt int, requests ...func(context.Context) *http.Request) []string {
		keys = nil
		ctx := app.WithDelivery(t.Context(), delivery{EventID: "0199-event", Subscription: subscription, Attempt: attempt})
		for _, r := range requests {
			_, err := send(c, r(ctx))
			require.NoError(t, err)
		}
		return keys
	}
	post := func(method, url, body string, headers ...string) func(context.Context) *http.Request {
		return func(ctx context.Context) *http.Request { return request(ctx, method, url, body, headers...) }
	}
	all := []func(context.Context) *http.Request{
		post("POST", "https://a/1", "x"), post("POST", "https://a/2", "x"), post("POST", "https://a/1", "y"), post("PATCH", "https://a/1", "x"), post("POST", "https://a/1", ""),
	}
	first := run("shop.x/paid", 1, all...)
	require.Equal(t, first, run("shop.x/paid", 2, all...))
	seen := map[string]bool{}
	for _, key := range append(first, run("shop.y/paid", 1, all...)...) {
		require.True(t, strings.HasPrefix(key, "0199-event-"), key)
		require.False(t, seen[key], key)
		seen[key] = true
	}
	same := run("shop.x/paid", 1, all[0], all[0], all[0])
	require.Equal(t, []string{first[0], first[0] + "-2", first[0] + "-3"}, same, "equal calls of one run are told apart")
	require.Equal(t, []string{"mine"}, run("shop.x/paid", 1, post("POST", "https://a/1", "x", "Idempotency-Key", "mine")))
	require.Equal(t, []string{"", ""}, run("shop.x/paid", 1, post("GET", "https://a/1", ""), post("PUT", "https://a/1", "x")))
	keys = nil
	_, err := send(c, request(t.Context(), "POST", "https://a/1", "x"))
	require.NoError(t, err)
	require.Equal(t, []string{""}, keys)
}

// The span of a call is a child of the caller's, and tells neither user nor query.
func TestACallHasASpan(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	tries := 0
	var sent http.Header
	c := client(t, func(r *http.Request) (*http.Response, error) {
		tries++
		sent = r.Header
		if tries == 1 {
			return nil, errors.New("reset")
		}
		return answer(404), nil
	}, func(p *httpclient.Params) { p.Tracing, p.Pace = provider, httpclient.Pace{First: 1, Longest: 1} })
	ctx, parent := provider.Tracer("test").Start(t.Context(), "parent")
	_, err := send(c, request(ctx, http.MethodGet, "https://ann:hunter2@pay.example:8443/x?key=hunter2", ""))
	require.NoError(t, err)
	span := recorder.Ended()[0]
	require.Equal(t, "GET", span.Name())
	require.Equal(t, parent.SpanContext().SpanID(), span.Parent().SpanID())
	got := map[string]string{}
	for _, a := range span.Attributes() {
		got[string(a.Key)] = a.Value.String()
	}
	require.Equal(t, map[string]string{
		"http.request.method": "GET", "server.address": "pay.example", "server.port": "8443", "url.full": "https://pay.example:8443/x",
		"http.request.resend_count": "1", "http.response.status_code": "404", "error.type": "404",
	}, got)
	require.Equal(t, "00-"+span.SpanContext().TraceID().String()+"-"+span.SpanContext().SpanID().String()+"-01", sent.Get("Traceparent"))
}

// Targets are forgotten, so that a service that calls many hosts does not grow.
func TestTargetsAreBounded(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	c := client(t, func(*http.Request) (*http.Response, error) { return answer(200), nil }, func(p *httpclient.Params) { p.Registerer = registry })
	for i := range 1000 {
		_, err := send(c, request(t.Context(), http.MethodGet, "https://h"+strconv.Itoa(i)+".example/", ""))
		require.NoError(t, err)
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.LessOrEqual(t, len(f.GetMetric()), 256, f.GetName())
	}
}

func gauge(t *testing.T, g prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// A handler that makes a failed call again sends the same key; a redirect leads on with it.
func TestARepeatedOrRedirectedCallKeepsItsKey(t *testing.T) {
	t.Parallel()
	var keys []string
	c := client(t, func(r *http.Request) (*http.Response, error) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		switch r.URL.Path {
		case "/away":
			return answer(http.StatusServiceUnavailable), nil
		case "/old":
			return answer(http.StatusTemporaryRedirect, "Location", "/new"), nil
		}
		return answer(http.StatusCreated), nil
	}, func(p *httpclient.Params) { p.Settings.Attempts = 1 })
	ctx := app.WithDelivery(t.Context(), delivery{EventID: "0199-event", Subscription: "shop.x/paid"})
	for range 2 {
		_, err := send(c, request(ctx, http.MethodPost, "https://a/away", "x"))
		require.NoError(t, err)
	}
	require.Equal(t, keys[0], keys[1])
	keys = nil
	_, err := send(c, request(ctx, http.MethodPost, "https://a/old", "x"))
	require.NoError(t, err)
	require.Len(t, keys, 2)
	require.NotEmpty(t, keys[0])
	require.Equal(t, keys[0], keys[1])
}

// An answer that is not used, and whose body stands still, does not hold up the next try.
func TestABodyThatStandsStillIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		c := client(t, func(*http.Request) (*http.Response, error) {
			if tries++; tries == 1 {
				a := answer(http.StatusServiceUnavailable)
				reader, _ := io.Pipe()
				a.Body = reader
				return a, nil
			}
			return answer(http.StatusOK), nil
		})
		begin := time.Now()
		status, err := send(c, request(t.Context(), http.MethodGet, "https://pay.example/x", ""))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		require.Less(t, time.Since(begin), time.Second)
	})
}

// A transaction of work that the host knows no call of is seen too.
func TestACallInATransactionWithoutACall(t *testing.T) {
	t.Parallel()
	db := apptest.SQLite(t).Open(t)
	c := client(t, func(*http.Request) (*http.Response, error) { return answer(200), nil })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := app.InTx(ctx, db, func(ctx context.Context) error {
		_, err := send(c, request(ctx, http.MethodGet, "https://pay.example/x", ""))
		return err
	})
	require.ErrorContains(t, err, "inside a database transaction")
}
