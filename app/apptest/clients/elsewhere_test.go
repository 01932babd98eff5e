package clients_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// witness stands before a service and notes what browsers send to it: they tell pages little of what they did.
type witness struct {
	address string

	mu   sync.Mutex
	seen []sent
}

// sent is a request of a browser.
type sent struct {
	method, path, site string // site is the header Sec-Fetch-Site
	session            bool   // it had the session's cookie
	status             int    // that of the answer
}

// witnessed starts a witness before the service, for the time of the test. With secure it takes HTTPS.
func witnessed(t *testing.T, service string, secure bool) *witness {
	t.Helper()
	to, err := url.Parse(service)
	require.NoError(t, err)
	w := new(witness)
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(answer *http.Response) error {
			w.note(answer)
			return nil
		},
	})
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	w.address = server.URL
	return w
}

func (w *witness) note(answer *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := answer.Request
	_, err := r.Cookie("__Host-session")
	w.seen = append(w.seen, sent{r.Method, r.URL.Path, r.Header.Get("Sec-Fetch-Site"), err == nil, answer.StatusCode})
}

// forget returns what was sent since it was last called.
func (w *witness) forget() []sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

// write replaces what the page shows.
func (p *tab) write(html string) {
	p.t.Helper()
	do(p, "write "+html, chromedp.Evaluate[any](fmt.Sprintf(`document.body.innerHTML = %q; undefined`, html)))
}

// elsewhere is a tab with a page of another origin than the service's.
type elsewhere struct {
	*tab

	service *witness
	origin  string
	site    string // what the browser says of it, in Sec-Fetch-Site
	session bool   // whether the browser sends the session's cookie with its requests
}

const (
	me  = "/accounts/me"
	out = "/accounts/sign-out"
)

// A session is of use to pages of its own origin alone. Of other sites the browser withholds the cookie, but for a link that the user
// follows. A page at another port of the same host gets it sent, and is refused by where it comes from.
func TestPagesOfOtherOriginsAndASessionInABrowser(t *testing.T) {
	t.Parallel()
	own := openTab(t)
	service := witnessed(t, siteWithAdministrator(t), false)
	own.open(service.address + "/page")
	own.signsIn(service.address)
	before := own.fetch(service.address+"/accounts/me/sessions", plain)
	service.forget()

	far := site(t)
	near := strings.Replace(far, "localhost", "127.0.0.1", 1)
	for _, e := range []elsewhere{
		{own.another(), service, far, "cross-site", false},
		{own.another(), service, near, "same-site", true},
	} {
		e.calls()
		e.sendsForms()
		e.frames()
		e.links()
	}
	require.True(t, own.known(service.address))
	require.Equal(t, before, own.fetch(service.address+"/accounts/me/sessions", plain))
}

// sees checks what the service was sent.
func (e elsewhere) sees(what string, want ...sent) {
	e.t.Helper()
	require.Equal(e.t, want, e.service.forget(), "%s: %s", e.site, what)
}

// calls makes calls as a script does.
func (e elsewhere) calls() {
	e.t.Helper()
	status := map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[e.session]
	e.open(e.origin + "/")
	require.Equal(e.t, refused, e.fetch(e.service.address+me, `{credentials: "include"}`))
	e.sees("it reads", sent{"GET", me, e.site, e.session, status}) // the answer is kept from the page
	e.fetch(e.service.address+out, `{method: "POST", credentials: "include", mode: "no-cors"}`)
	e.sees("it writes and does not ask", sent{"POST", out, e.site, e.session, http.StatusForbidden})
	asking := `{method: "POST", credentials: "include", headers: {"Content-Type": "application/json"}, body: "{}"}`
	require.Equal(e.t, refused, e.fetch(e.service.address+out, asking))
	e.sees("it asks whether it may write", sent{"OPTIONS", out, e.site, false, http.StatusNoContent})
}

// sendsForms has the user press buttons of forms: one signs out, the other signs in as somebody else, with a form's text that is JSON.
func (e elsewhere) sendsForms() {
	e.t.Helper()
	const somebody = `<input name='{"email":"` + email + `","password":"` + password + `","x":"' value='"}'>`
	for path, fields := range map[string]string{out: "", "/accounts/sign-in": somebody} {
		e.open(e.origin + "/")
		e.write(fmt.Sprintf(`<form method="post" enctype="text/plain" action="%s">%s<button>Win</button></form>`, e.service.address+path, fields))
		e.click("button")
		require.Contains(e.t, e.text("pre"), `"code":"forbidden"`)
		e.sees("it sends a form", sent{"POST", path, e.site, e.session, http.StatusForbidden})
	}
}

// frames shows the service within the page, so that the user clicks there and does not know it.
func (e elsewhere) frames() {
	e.t.Helper()
	pages := []string{me, "/docs/", "/page"}
	for _, path := range pages {
		e.open(e.origin + "/")
		do(e.tab, "frame "+path, chromedp.Evaluate[any](fmt.Sprintf(`new Promise(done => {
			const frame = document.createElement("iframe")
			frame.onload = () => done()
			frame.src = %q
			document.body.append(frame)
		})`, e.service.address+path), chromedp.EvalAwaitPromise))
		seen := e.service.forget()
		require.Len(e.t, seen, 1, "and nothing of the page is loaded")
		require.Equal(e.t, e.session, seen[0].session)
	}
	require.Eventually(e.t, func() bool { // the browser says it when it likes
		_, problems := e.noticed(e.origin)
		return strings.Count(strings.Join(problems, "\n"), `directive: "frame-ancestors 'none'"`) == len(pages)
	}, stepTimeout, 10*time.Millisecond)
}

// links has the user follow links, for which a browser sends the cookie: whoever is signed in stays so, and nothing changes.
func (e elsewhere) links() {
	e.t.Helper()
	for path, status := range map[string]int{me: http.StatusOK, out: http.StatusMethodNotAllowed} {
		e.open(e.origin + "/")
		e.write(fmt.Sprintf(`<a href="%s">Win</a>`, e.service.address+path))
		e.click("a")
		e.await("pre")
		e.sees("its link is followed", sent{"GET", path, e.site, true, status})
	}
}

// A page of another origin that the settings trust acts with the session only if it is of the same site: a browser sends the cookie to no
// other. A page of another site must send a token.
func TestTrustedOriginsAndASessionInABrowser(t *testing.T) {
	t.Parallel()
	page := openTab(t)
	far := site(t)
	near := strings.Replace(far, "localhost", "127.0.0.1", 1)
	address := siteWithAdministrator(t, "APP_HTTP_CORS_ORIGINS="+far+","+near, "APP_HTTP_CORS_CREDENTIALS=true")
	page.open(address + "/page")
	page.signsIn(address)
	cookies := `{credentials: "include"}`
	page.open(far + "/")
	require.Contains(t, page.fetch(address+me, cookies), `"code":"unauthorized"`)
	page.sendsToken(address, token(t, address))
	page.open(near + "/")
	require.Contains(t, page.fetch(address+me, cookies), `"email":"`+email+`"`)
	require.Contains(t, page.fetch(address+me, plain), `"code":"unauthorized"`, "it must ask for it")
	require.Equal(t, "204 ", page.fetch(address+out, `{method: "POST", credentials: "include"}`))
	require.Contains(t, page.fetch(address+me, cookies), `"code":"unauthorized"`)
}

// sendsToken has the page, of a site that the settings trust, call the service with a token, and read of the answers what it needs.
func (p *tab) sendsToken(address, token string) {
	p.t.Helper()
	require.Contains(p.t, p.fetch(address+me, `{headers: {Authorization: "Bearer `+token+`"}}`), `"email":"`+email+`"`)
	order := func(token, header string) string {
		const script = `fetch(%q, {method: "POST", headers: {Authorization: "Bearer %s", "Idempotency-Key": "a"}}).` +
			`then(async r => r.status + " " + r.headers.get(%q) + " " + await r.text()).catch(e => String(e))`
		return do(p, "order", chromedp.Evaluate[string](fmt.Sprintf(script, address+"/orders", token, header), chromedp.EvalAwaitPromise))
	}
	first, ok := strings.CutPrefix(order(token, "Idempotency-Replayed"), "200 null ")
	require.True(p.t, ok, first)
	require.Equal(p.t, "200 true "+first, order(token, "Idempotency-Replayed"))
	require.Regexp(p.t, `^401 Bearer`, order("pbs_x", "WWW-Authenticate"))
}

// A browser keeps the session over HTTPS and, without it, on the own machine. Elsewhere over plain HTTP the sign-in succeeds, and the next
// request is of somebody whom the service does not know.
func TestWhereABrowserKeepsASession(t *testing.T) {
	t.Parallel()
	page := openTab(t, chromedp.Flag("host-resolver-rules", "MAP shop.example 127.0.0.1"), chromedp.Flag("ignore-certificate-errors", true))
	address := siteWithAdministrator(t, "APP_HTTP_HOSTS=shop.example")
	for _, place := range []struct {
		address, name string
		kept          bool
	}{
		{address, "127.0.0.1", true},
		{address, "localhost", true},
		{address, "shop.example", false},
		{witnessed(t, address, true).address, "shop.example", true}, // HTTPS
	} {
		at := strings.Replace(place.address, "127.0.0.1", place.name, 1)
		page.open(at + "/page")
		page.signsIn(at)
		require.Equal(t, place.kept, page.known(at), at)
		session := page.cookies()["__Host-session"]
		require.Equal(t, place.kept, session != nil, at)
		if place.kept {
			require.Equal(t, place.name, session.Domain)
		}
	}
}
