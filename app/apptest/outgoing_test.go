package apptest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
)

// ending is a testing.TB whose test ends when end is called.
type ending struct {
	*failing
	cleanups []func()
}

func (e *ending) Cleanup(fn func()) { e.cleanups = append(e.cleanups, fn) }

func (e *ending) end() {
	for _, fn := range e.cleanups {
		fn()
	}
}

func post(t *testing.T, c *http.Client, url, body string) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("X-Key", "k")
	answer, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.Status + " " + string(text), err
}

// What a test expects is answered; what it does not expect, and what did not come, fail it.
func TestOutgoingHoldsCallsAgainstExpectations(t *testing.T) {
	t.Parallel()
	const charge = "POST https://pay.test/charges"
	for name, c := range map[string]struct {
		expect func(*apptest.OutgoingStub)
		url    string
		want   string // what the failure says, or ""
	}{
		"as expected": {func(o *apptest.OutgoingStub) {
			o.Expect(charge).JSON(`{ "b":2, "a":1 }`).Header("X-Key", "k").Header("Content-Length", "").Times(0)
			o.Expect(charge).JSON(`{"a":1,"b":2}`).Header("X-Key", "").Answer(http.StatusCreated, `{"id":1}`).AnswerHeader("X", "y")
		}, "https://pay.test/charges", ""},
		"nothing expected": {func(*apptest.OutgoingStub) {}, "https://pay.test/charges", `with the body "{\"a\":1,\"b\":2}" was not expected; expected are: none`},
		"another URL":      {func(o *apptest.OutgoingStub) { o.Expect(charge).Times(0) }, "https://pay.test/other", "expected are: " + charge},
		"another body":     {func(o *apptest.OutgoingStub) { o.Expect(charge).JSON(`{}`).Times(0) }, "https://pay.test/charges", "the body is not {}"},
		"another header":   {func(o *apptest.OutgoingStub) { o.Expect(charge).Header("X-Key", "l").Times(0) }, "https://pay.test/charges", `the header X-Key is "k", expected "l"`},
		"did not come": {func(o *apptest.OutgoingStub) { o.Expect(charge).Times(2) }, "https://pay.test/charges",
			"the call " + charge + " was expected 2 times and came 1 times"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &ending{failing: &failing{TB: t}}
			o := apptest.Outgoing(e)
			c.expect(o)
			text, err := post(t, o.Client(), c.url, `{"a":1,"b":2}`)
			e.end()
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, "201 Created {\"id\":1}", text)
				require.Empty(t, e.failures)
				return
			}
			require.Len(t, e.failures, 1)
			require.Contains(t, e.failures[0], c.want)
			if name != "did not come" {
				require.ErrorContains(t, err, c.want)
				require.True(t, app.IsPermanent(err), "another attempt would fail again")
			}
		})
	}
}

func TestOutgoingAnswersInOrderAndFails(t *testing.T) {
	t.Parallel()
	o := apptest.Outgoing(t)
	o.Expect("POST https://pay.test/x").Answer(http.StatusOK, "one")
	o.Expect("POST https://pay.test/x").Fail(errors.New("no route"))
	text, err := post(t, o.Client(), "https://pay.test/x", "")
	require.NoError(t, err)
	require.Equal(t, "200 OK one", text)
	_, err = post(t, o.Client(), "https://pay.test/x", "")
	require.ErrorContains(t, err, "no route")
	require.Len(t, o.Calls(), 2)
}

// caller calls a service for each request.
type caller struct{ client *http.Client }

func (p *caller) OnBoot(b *app.Boot) { b.GET("/call", app.Handle(p.Execute)) }

func (p *caller) Execute(ctx context.Context, _ app.Empty) (app.Empty, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://pay.invalid/x", nil)
	if err != nil {
		return app.Empty{}, err
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return app.Empty{}, err
	}
	return app.Empty{}, answer.Body.Close()
}

func newCaller(client *http.Client) *caller { return &caller{client} }

// A test calls no other machine by accident.
func TestATestReachesThisMachineAlone(t *testing.T) {
	t.Parallel()
	f := &failing{TB: t}
	h := apptest.New(f, app.Plugin[*caller]("shop.call", newCaller))
	h.GET("/call")
	require.NotEmpty(t, f.failures)
	require.Contains(t, f.failures[0], "a test does not call pay.invalid; stand in for it with apptest.Outgoing")
}
