package httpclient_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
)

// relay calls another service for each request, as a plugin does.
type relay struct{ client *http.Client }

func newRelay(client *http.Client) *relay { return &relay{client} }

func (p *relay) OnBoot(b *app.Boot) { b.GET("/relay", app.Handle(p.Execute)) }

func (p *relay) Execute(ctx context.Context, _ app.Empty) (app.Empty, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://other.example/", nil)
	if err != nil {
		return app.Empty{}, err
	}
	res, err := p.client.Do(r)
	if err != nil {
		return app.Empty{}, err
	}
	return app.Empty{}, res.Body.Close()
}

const (
	traceID = "12345678901234567890123456789012"
	parent  = "00-" + traceID + "-1234567890123456-01"
)

// The cases of the W3C's test suite for Trace Context (w3c/trace-context, test/test.py) that concern what a service passes on, from its
// server through its client, with tracing and without.
func TestTraceContextPassesThrough(t *testing.T) {
	t.Parallel()
	many := make([]string, 33)
	for i := range many {
		many[i] = "k" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "=1"
	}
	type header = map[string][]string
	for name, c := range map[string]struct {
		given header
		same  bool   // the trace goes on
		state string // the tracestate that is passed on; "-" when it is not looked at
	}{
		"none":                           {header{}, false, ""},
		"valid":                          {header{"traceparent": {parent}}, true, ""},
		"not sampled":                    {header{"traceparent": {"00-" + traceID + "-1234567890123456-00"}}, true, ""},
		"upper case name":                {header{"TraceParent": {parent}}, true, ""},
		"twice":                          {header{"traceparent": {parent, parent}}, false, ""},
		"version 0xff":                   {header{"traceparent": {"ff-" + traceID + "-1234567890123456-01"}}, false, ""},
		"version 0xcc":                   {header{"traceparent": {"cc-" + traceID + "-1234567890123456-01"}}, true, "-"},
		"version 0xcc, more":             {header{"traceparent": {"cc-" + traceID + "-1234567890123456-01-what-the-future"}}, true, "-"},
		"version 0xcc, glued":            {header{"traceparent": {"cc-" + traceID + "-1234567890123456-01.what"}}, false, "-"},
		"version 00, more":               {header{"traceparent": {parent + "-what"}}, false, ""},
		"version is no hex":              {header{"traceparent": {".0-" + traceID + "-1234567890123456-01"}}, false, ""},
		"trace id of zeros":              {header{"traceparent": {"00-00000000000000000000000000000000-1234567890123456-01"}}, false, ""},
		"trace id in capitals":           {header{"traceparent": {"00-" + strings.Repeat("A", 32) + "-1234567890123456-01"}}, false, ""},
		"trace id too short":             {header{"traceparent": {"00-1234567890123456789012345678901-1234567890123456-01"}}, false, ""},
		"trace id too long":              {header{"traceparent": {"00-123456789012345678901234567890123-1234567890123456-01"}}, false, ""},
		"parent id of zeros":             {header{"traceparent": {"00-" + traceID + "-0000000000000000-01"}}, false, ""},
		"parent id is no hex":            {header{"traceparent": {"00-" + traceID + "-.234567890123456-01"}}, false, ""},
		"flags are no hex":               {header{"traceparent": {"00-" + traceID + "-1234567890123456-.0"}}, false, ""},
		"flags too short":                {header{"traceparent": {"00-" + traceID + "-1234567890123456-1"}}, false, ""},
		"only tracestate":                {header{"tracestate": {"a=1"}}, false, ""},
		"tracestate":                     {header{"traceparent": {parent}, "tracestate": {"a=1,b=2"}}, true, "a=1,b=2"},
		"tracestate in two":              {header{"traceparent": {parent}, "tracestate": {"a=1", "b=2"}}, true, "a=1,b=2"},
		"tracestate that is not valid":   {header{"traceparent": {parent}, "tracestate": {"A=1"}}, true, ""},
		"tracestate, bad parent":         {header{"traceparent": {"x"}, "tracestate": {"a=1"}}, false, ""},
		"tracestate of another tenant":   {header{"traceparent": {parent}, "tracestate": {"t@v=1"}}, true, "t@v=1"},
		"tracestate with too many":       {header{"traceparent": {parent}, "tracestate": {strings.Join(many, ",")}}, true, "-"},
		"tracestate longer than allowed": {header{"traceparent": {parent}, "tracestate": {"a=" + strings.Repeat("x", 600)}}, true, ""},
	} {
		for _, traced := range []bool{false, true} {
			mode := map[bool]string{false: ", not traced", true: ", traced"}[traced]
			t.Run(name+mode, func(t *testing.T) {
				t.Parallel()
				other := apptest.Outgoing(t)
				other.Expect("GET https://other.example/")
				var h *apptest.App
				if traced {
					h = apptest.New(t, other, apptest.Spans(), app.Plugin[*relay]("shop.relay", newRelay))
				} else {
					h = apptest.New(t, other, app.Plugin[*relay]("shop.relay", newRelay))
				}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/relay", nil)
				for name, values := range c.given {
					for _, v := range values {
						r.Header.Add(name, v)
					}
				}
				h.Do(r).Status(http.StatusOK)
				sent := other.Calls()[0].Header
				require.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$`, sent.Get("Traceparent"))
				require.Equal(t, c.same, strings.Contains(sent.Get("Traceparent"), traceID), sent.Get("Traceparent"))
				require.NotContains(t, sent.Get("Traceparent"), strings.Repeat("0", 16))
				if traced && c.same {
					require.NotContains(t, sent.Get("Traceparent"), "-1234567890123456-", "the parent is the call's span")
				}
				if c.state != "-" && (c.state != "" || !traced) {
					require.Equal(t, c.state, sent.Get("Tracestate"))
				}
				require.Len(t, sent.Values("Traceparent"), 1)
			})
		}
	}
}
