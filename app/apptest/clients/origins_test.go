package clients_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// refused is what a page gets that may not read an answer.
const refused = "TypeError: Failed to fetch"

// site serves empty pages under another origin than the service, and returns that origin.
func site(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>another site</title><link rel=icon href=data:,><body>")
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

// fetch has the page make a request, and returns status and body of the answer, or the exception.
func (p *tab) fetch(url, options string) string {
	p.t.Helper()
	script := fmt.Sprintf(`fetch(%q, %s).then(async r => r.status + " " + await r.text()).catch(e => String(e))`, url, options)
	return do(p, "fetch "+url, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
}

// A page of another origin reads what the settings let it read, and nothing else; the browser is what enforces it.
func TestPagesOfOtherOriginsInABrowser(t *testing.T) {
	t.Parallel()
	page := openTab(t)
	allowed, other := site(t), site(t)
	binary := build(t)
	closed := run(t, binary)
	open := run(t, binary, "APP_HTTP_CORS_ORIGINS="+allowed)
	trusting := run(t, binary, "APP_HTTP_CORS_ORIGINS="+allowed, "APP_HTTP_CORS_CREDENTIALS=true")

	const (
		cookies  = `{credentials: "include"}`
		create   = `{method: "POST", headers: {"Content-Type": "application/json"}, body: '{"name":"Desk lamp","price":49.9}'}`
		empty    = `200 {"success":true,"data":{"items":[],"next":null},"error":null}`
		one      = `201 {"success":true,"data":{"id":1,"name":"Desk lamp","price":49.9},"error":null}`
		products = "/products"
	)
	page.open(allowed + "/")
	for _, options := range []string{plain, cookies, create} {
		require.Equal(t, refused, page.fetch(closed+products, options), options)
	}
	require.Equal(t, empty, page.fetch(open+products, plain))
	require.Equal(t, refused, page.fetch(open+products, cookies), "with cookies, which the settings do not allow")
	require.Equal(t, one, page.fetch(open+products, create), "after a preflight")
	require.Equal(t, empty, page.fetch(trusting+products, plain))
	require.Equal(t, empty, page.fetch(trusting+products, cookies))
	require.Equal(t, one, page.fetch(trusting+products, create))

	page.open(other + "/")
	for _, address := range []string{closed, open, trusting} {
		for _, options := range []string{plain, cookies, create} {
			require.Equal(t, refused, page.fetch(address+products, options), options)
		}
	}
	page.open(closed + "/products") // and nobody has created anything there
	require.Contains(t, page.text("body"), `"items":[]`)
}

// upload is a page's script that sends a picture by a form, as a user would who was led to press the button.
const upload = `(() => {
	document.body.innerHTML = '<form method="post" enctype="multipart/form-data" action="%s/images"><input type="file" name="image"><button>Win</button></form>'
	const files = new DataTransfer()
	const png = Uint8Array.from(atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="), c => c.charCodeAt(0))
	files.items.add(new File([png], "a.png", {type: "image/png"}))
	document.querySelector("input").files = files.files
})()`

// A form of another site acts with the user's cookies and needs no CORS: it is refused by where it comes from. A form of a
// site that the settings name is taken.
func TestFormsOfOtherSitesInABrowser(t *testing.T) {
	t.Parallel()
	page := openTab(t)
	binary, from := build(t), site(t)
	for address, want := range map[string]string{
		run(t, binary): `"code":"forbidden"`,
		run(t, binary, "APP_HTTP_CORS_ORIGINS="+from): `"success":true`,
	} {
		page.open(from + "/")
		do(page, "write the form", chromedp.Evaluate[any](fmt.Sprintf(upload, address)))
		page.click("button")
		page.await("pre") // how Chromium shows JSON
		require.Contains(t, page.text("pre"), want)
	}
	_, problems := page.noticed(from)
	require.Contains(t, strings.Join(problems, "\n"), "a request was answered 403: ")
}

// A name of somebody else's that leads to 127.0.0.1 makes a page of theirs one of our origin: the service does not answer for it.
func TestARebindingHostInABrowser(t *testing.T) {
	t.Parallel()
	page := openTab(t, chromedp.Flag("host-resolver-rules", "MAP rebind.example 127.0.0.1"))
	address := start(t)
	page.open(strings.Replace(address, "127.0.0.1", "rebind.example", 1) + "/products")
	require.Contains(t, page.text("body"), `"code":"misdirected"`)
	_, problems := page.noticed(address)
	require.Contains(t, strings.Join(problems, "\n"), "a request was answered 421: ")
	page.open(address + "/products")
	require.Contains(t, page.text("body"), `"items":[]`)
}

// A cookie is what a browser makes of it.
func TestCookiesInABrowser(t *testing.T) {
	t.Parallel()
	page := openTab(t)
	address := run(t, build(t, "set_cookies.go"))
	page.open(address + "/cookies")
	result, err := chromedp.Call(page.ctx, network.GetCookies, network.GetCookiesParams{})
	require.NoError(t, err)
	kept := map[string]*network.Cookie{}
	for _, c := range result.Cookies {
		kept[c.Name] = c
	}
	require.Len(t, kept, 2)
	session, theme := kept["__Host-session"], kept["theme"]
	require.Equal(t, []any{"secret", "/", true, true, true, network.CookieSameSiteLax},
		[]any{session.Value, session.Path, session.HTTPOnly, session.Secure, session.Session, session.SameSite})
	require.Equal(t, []any{"dark", "/cookies", false, false, false, network.CookieSameSiteStrict},
		[]any{theme.Value, theme.Path, theme.HTTPOnly, theme.Secure, theme.Session, theme.SameSite})
	require.Equal(t, "theme=dark", do(page, "read cookies", chromedp.Evaluate[string]("document.cookie")))

	page.open(address + "/cookies/seen")
	var answer struct{ Data map[string]string }
	require.NoError(t, json.Unmarshal([]byte(page.text("body")), &answer))
	require.Equal(t, map[string]string{"session": "secret", "theme": "dark"}, answer.Data)
}
