package matrix

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// What the host says when it refuses somebody.
const (
	mustSignIn      = "sign in first: the request does not say who makes it"
	mustSignInAgain = "sign in again: this needs a sign-in of the last "
	lacksPermission = "this needs the permission "
	fromElsewhere   = "a page of another site made this request"
)

// answer is the answer to a request.
type answer struct {
	code int
	head http.Header
	body string
}

func (a answer) String() string { return strings.TrimSpace(fmt.Sprintf("%d %.200s", a.code, a.body)) }

// byAccess reports whether it is the endpoint's access rule that refuses.
func (a answer) byAccess() bool {
	return strings.Contains(a.body, mustSignIn) || strings.Contains(a.body, mustSignInAgain) || strings.Contains(a.body, lacksPermission)
}

// request makes a request that the endpoint takes from those who may.
func (m *matrix) request(c cell, give func(*http.Request)) *http.Request {
	r := c.example()
	r.Method = c.method
	return m.given(r, give)
}

// given gives a request an address of its own, the headers that guards want, and credentials.
func (m *matrix) given(r *http.Request, give func(*http.Request)) *http.Request {
	const group = 1 << 16
	m.requests++
	r.RemoteAddr = fmt.Sprintf("[2001:db8:%x:%x::1]:40000", m.requests/group, m.requests%group)
	for name, values := range m.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if give != nil {
		give(r)
	}
	return r
}

// Handlers get this long. An endless one is ended sooner: once it has begun to answer.
const (
	patience        = 20 * time.Second
	endlessPatience = 500 * time.Millisecond
)

// send sends a request to an endpoint.
func (m *matrix) send(c cell, r *http.Request) answer {
	longest := patience
	if c.Timeout == 0 {
		longest = endlessPatience
	}
	ctx, cancel := context.WithTimeout(r.Context(), longest)
	defer cancel()
	w := &recorder{ResponseRecorder: httptest.NewRecorder(), begun: func() {
		if c.Timeout == 0 {
			cancel()
		}
	}}
	m.Handler.ServeHTTP(w, r.WithContext(ctx))
	a := answer{code: w.Code, head: w.Result().Header, body: w.Body.String()}
	return a
}

// recorder calls begun once the answer has begun.
type recorder struct {
	*httptest.ResponseRecorder

	begun func()
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	w.ResponseRecorder.WriteHeader(status)
	w.begun()
}

// refuse calls an endpoint as somebody whom it must refuse.
func (m *matrix) refuse(c cell, r row) {
	want := m.refusal(c, r)
	if want.status == 0 {
		return
	}
	a := m.send(c, m.request(c, r.give))
	switch {
	case a.code != want.status:
		m.tell("%s as %s: answered %s; want %d", c, r.as, a, want.status)
	case c.method != http.MethodHead && !strings.Contains(a.body, want.says):
		m.tell("%s as %s: refused for something else: %s; want %q", c, r.as, a, want.says)
	case want.challenge != "" && a.head.Get("WWW-Authenticate") == "",
		!strings.Contains(a.head.Get("WWW-Authenticate"), strings.TrimSpace(want.challenge)):
		m.tell("%s as %s: answered %s with the header WWW-Authenticate %q; want one with %q", c, r.as, a, a.head.Get("WWW-Authenticate"), want.challenge)
	}
}

// letIn calls an endpoint as somebody whom it must let in, up to the reading of the body.
func (m *matrix) letIn(c cell, r row) {
	if m.refusal(c, r).status != 0 {
		return
	}
	q := m.request(c, r.give)
	q.Body, q.ContentLength = http.NoBody, c.BodyLimit+1
	a := m.send(c, q)
	switch {
	case a.code == http.StatusRequestEntityTooLarge:
	case a.code == http.StatusTooManyRequests && len(c.Options.Limits) > 0: // counted for whom it knows
	case len(c.Options.Guards) > 0 && a.code >= http.StatusBadRequest && a.code < http.StatusInternalServerError && !a.byAccess(): // a guard said so
	default:
		m.tell("%s as %s: answered %s; want the caller to be let in, and then 413, since the request announces a body that is too large", c, r.as, a)
	}
}

// The page of another site.
const elsewhere = "https://elsewhere.example"

// callFromElsewhere calls an endpoint for a page of another site, as those who may call it.
func (m *matrix) callFromElsewhere(c cell) {
	for _, r := range append(m.principals(c), m.callers()...) {
		if m.refusal(c, r).status != 0 {
			continue
		}
		for _, site := range []string{"cross-site", ""} { // browsers of some years ago do not say
			q := m.request(c, r.give)
			q.Header.Set("Origin", elsewhere)
			q.Header.Add("Cookie", "rules=1") // it acts for somebody, so that no setting lets it in
			if site != "" {
				q.Header.Set("Sec-Fetch-Site", site)
			}
			if c.safe() {
				q.Body, q.ContentLength = http.NoBody, c.BodyLimit+1
			}
			a := m.send(c, q)
			switch {
			case !c.safe() && (a.code != http.StatusForbidden || !strings.Contains(a.body, fromElsewhere)):
				m.tell("%s as %s, for a page of another site: answered %s; want 403", c, r.as, a)
			case a.head.Get("Access-Control-Allow-Origin") == elsewhere:
				m.tell("%s as %s, for a page of another site: the header Access-Control-Allow-Origin lets the page read the answer", c, r.as)
			}
		}
	}
}

// do calls an endpoint as somebody who may, of those with the fewest permissions.
func (m *matrix) do(c cell) {
	r := row{as: "nobody"}
	if !c.Access.Public {
		r = m.entitled(c)
	}
	a := m.send(c, m.request(c, r.give))
	if a.byAccess() || c.method == http.MethodHead && a.code == http.StatusUnauthorized && a.head.Get("WWW-Authenticate") != "" {
		m.tell("%s as %s: refused by the access rule: %s", c, r.as, a)
	}
}
