package clients_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// The administrator of the services here.
const (
	email       = "ada@example.org"
	password    = "a lamp on the third desk"
	newPassword = "two lamps beside the window"
)

// What the pages here ask of the service, as a site's own page would.
const (
	signIn  = `{method: "POST", headers: {"Content-Type": "application/json"}, body: '{"email":"` + email + `","password":"` + password + `"}'}`
	signOut = `{method: "POST"}`
	plain   = `{}`
)

// administrator makes an administrator in a new database, and returns the setting that names it.
func administrator(t *testing.T, binary string) (setting string) {
	t.Helper()
	dir := t.TempDir()
	database := "APP_DATABASE_URL=sqlite:" + filepath.Join(dir, "service.db")
	cmd := exec.CommandContext(t.Context(), binary, "accounts", "create-admin", "--email", email, "--name", "Ada")
	cmd.Dir, cmd.Env, cmd.Stdin = dir, []string{database}, strings.NewReader(password+"\n")
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	return database
}

// siteWithAdministrator runs the service with a page of its own at /page and an administrator, with further settings, until the test
// ends, and returns its address.
func siteWithAdministrator(t *testing.T, settings ...string) string {
	t.Helper()
	binary := build(t, "site_page.go")
	return run(t, binary, append(settings, administrator(t, binary))...)
}

// signsIn has the page sign in, with the session in a cookie.
func (p *tab) signsIn(address string) {
	p.t.Helper()
	require.Regexp(p.t, `^200 \{"success":true,"data":\{"user_id":"[^"]+"\},"error":null\}$`, p.fetch(address+"/accounts/sign-in", signIn),
		"and the token is in no answer that a script reads")
}

// known asks who the tab is, and reports whether the service knows.
func (p *tab) known(address string) bool {
	p.t.Helper()
	answer := p.fetch(address+"/accounts/me", plain)
	if strings.HasPrefix(answer, "401 ") {
		require.Contains(p.t, answer, `"code":"unauthorized"`)
		return false
	}
	require.Regexp(p.t, `^200 .*"email":"`+email+`"`, answer)
	return true
}

// cookies returns what the browser keeps for the page, by name.
func (p *tab) cookies() map[string]*network.Cookie {
	p.t.Helper()
	result, err := chromedp.Call(p.ctx, network.GetCookies, network.GetCookiesParams{})
	require.NoError(p.t, err)
	kept := map[string]*network.Cookie{}
	for _, c := range result.Cookies {
		kept[c.Name] = c
	}
	return kept
}

// copied returns the status that a program gets who sends a copy of the session's cookie.
func copied(t *testing.T, address string, session *network.Cookie) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/accounts/me", nil)
	require.NoError(t, err)
	r.AddCookie(&http.Cookie{Name: session.Name, Value: session.Value})
	answer, err := (&http.Client{Timeout: stepTimeout}).Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}

// Who signs out in one tab is refused in the other, at its next request. Scripts never see the session.
func TestSigningInAndOutInABrowser(t *testing.T) {
	t.Parallel()
	page := openTab(t)
	other := page.another()
	address := siteWithAdministrator(t)
	page.open(address + "/page")
	other.open(address + "/page")
	require.False(t, page.known(address))
	require.False(t, other.known(address))

	page.signsIn(address)
	require.Empty(t, do(page, "read cookies", chromedp.Evaluate[string]("document.cookie")))
	require.True(t, page.known(address))
	require.True(t, other.known(address))
	kept := page.cookies()
	require.Len(t, kept, 2)
	for name, days := range map[string]float64{"__Host-session": 30, "__Host-device": 180} {
		c := kept[name]
		require.NotNil(t, c, name)
		require.Equal(t, []any{true, true, network.CookieSameSiteLax, "/", "127.0.0.1", false},
			[]any{c.HTTPOnly, c.Secure, c.SameSite, c.Path, c.Domain, c.Session}, name) // a domain with a dot before it would be for others too
		require.InDelta(t, days*24*60*60, c.Expires-float64(time.Now().Unix()), 300, name)
	}

	do(page, "store", chromedp.Evaluate[any](`localStorage.setItem("draft", "of Ada")`))
	require.Equal(t, "204 ", page.fetch(address+"/accounts/sign-out", signOut))
	require.False(t, other.known(address))
	require.False(t, page.known(address))
	require.Equal(t, http.StatusUnauthorized, copied(t, address, kept["__Host-session"]))
	require.Equal(t, 0, do(other, "look into the store", chromedp.Evaluate[int]("localStorage.length")), "what the site kept is gone too")
	left := page.cookies()
	require.Len(t, left, 1)
	require.Equal(t, kept["__Host-device"].Value, left["__Host-device"].Value, "the device stays known")
}

// A change of the password ends every session. The browser that made it goes on with the new one, in all of its tabs.
func TestAChangedPasswordInABrowser(t *testing.T) {
	t.Parallel()
	page := openTab(t)
	other := page.another()
	address := siteWithAdministrator(t)
	page.open(address + "/page")
	other.open(address + "/page")
	other.signsIn(address)
	stolen := page.cookies()["__Host-session"]
	require.Equal(t, http.StatusOK, copied(t, address, stolen))

	change := fmt.Sprintf(`{method: "POST", headers: {"Content-Type": "application/json"}, body: '{"current":%q,"password":%q}'}`, password, newPassword)
	answer := page.fetch(address+"/accounts/me/password", change)
	require.True(t, strings.HasPrefix(answer, "200 "), answer)
	require.NotContains(t, answer, "token")
	require.True(t, page.known(address))
	require.True(t, other.known(address))
	require.Equal(t, http.StatusUnauthorized, copied(t, address, stolen))
	require.Equal(t, http.StatusOK, copied(t, address, page.cookies()["__Host-session"]))
	answer = other.fetch(address+"/accounts/sign-in", signIn)
	require.True(t, strings.HasPrefix(answer, "401 "), answer)
}
