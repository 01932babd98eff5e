package clients_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// token signs in as a program does, and returns the session's token.
func token(t *testing.T, address string) string {
	t.Helper()
	body := strings.NewReader(`{"email":"` + email + `","password":"` + password + `","use":"token"}`)
	answer, err := http.Post(address+"/accounts/sign-in", "application/json", body)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Empty(t, answer.Cookies())
	var session struct{ Data struct{ Token string } }
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&session))
	return session.Data.Token
}

// The page at /docs says how callers tell who they are, and calls what needs that: with a token that is entered there, or with the session
// that the browser has.
func TestDocsPageSignsIn(t *testing.T) {
	t.Parallel()
	page := openTab(t)
	address := siteWithAdministrator(t)
	page.open(address + "/docs/")
	page.click(`.scheme-container .authorize`)
	dialog := page.text(`.dialog-ux .modal-ux`)
	for _, want := range []string{
		"bearer (http, Bearer)", "The token of a session, or an API key",
		"session (apiKey)", "The session of a browser", "Name: __Host-session", "In: cookie",
	} {
		require.Contains(t, dialog, want)
	}
	page.shoot("docs-authorize", "#swagger-ui")
	_, problems := page.noticed(address)
	require.Empty(t, problems)

	field := chromedp.CSS(`.dialog-ux .auth-container input`) // the first, which is that of the token
	do(page, "enter the token", chromedp.SendKeys(field, token(t, address), chromedp.NodeVisible))
	page.click(`.dialog-ux .auth-container .authorize`)
	page.shoot("docs-authorized", "#swagger-ui")
	page.click(`.dialog-ux .btn-done`)
	page.triesMe("200")
	page.shoot("docs-authorized-answer", `.opblock[id$="get_me"]`)

	page.open(address + "/docs/")
	page.triesMe("401") // a page that is opened again has forgotten the token
	page.signsIn(address)
	page.open(address + "/docs/")
	page.triesMe("200")
}

// triesMe has the page at /docs ask who the caller is, and checks the answer's status.
func (p *tab) triesMe(status string) {
	p.t.Helper()
	const operation = `.opblock[id$="get_me"]`
	p.click(operation + ` .opblock-summary-control`)
	p.click(operation + ` .try-out__btn`)
	p.click(operation + ` .execute`)
	require.Equal(p.t, status, p.text(operation+` .live-responses-table .response .response-col_status`))
	if status == "200" {
		require.Contains(p.t, p.text(operation+` .live-responses-table .response .highlight-code`), `"email": "`+email+`"`)
	}
}
