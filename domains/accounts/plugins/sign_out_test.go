package plugins_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/sessions"
)

func TestSignOut(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		program, _ := h.signIn("ada@example.org", goodPassword)
		answer := h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Status(http.StatusOK)
		browser := h.withCookie(answer)

		out := browser.POST("/accounts/sign-out", nil).Status(http.StatusNoContent)
		c := cookie(t, out, sessions.SessionCookie)
		require.True(t, c.MaxAge < 0 && c.Value == "" && c.Secure && c.HttpOnly, c)
		refused(t, browser) // who kept the cookie has nothing
		browser.POST("/accounts/sign-out", nil).Fails(app.Unauthorized, unknownSession)
		program.GET("/accounts/me").Status(http.StatusOK) // other sessions go on
	})
}

// A session that was known before the sign-in is worth nothing after it: a token given by somebody else is never taken.
func TestNoFixation(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	h.register("ada@example.org")
	const planted = "pbs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	victim := h.As(func(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessions.SessionCookie, Value: planted}) })
	answer := victim.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Status(http.StatusOK)
	require.NotEqual(t, planted, cookie(t, answer, sessions.SessionCookie).Value)
	refused(t, h.with(planted))
}

// A page of another site signs nobody out, and signs nobody in.
func TestOtherSitesDoNothing(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	h.register("ada@example.org")
	browser := h.withCookie(h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Status(http.StatusOK))
	foreign := browser.As(func(r *http.Request) {
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	})
	const refusal = "a page of another site made this request; the setting APP_HTTP_CORS_ORIGINS names the sites that may"
	foreign.POST("/accounts/sign-out", nil).Fails(app.Forbidden, refusal)
	foreign.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Fails(app.Forbidden, refusal)
	browser.GET("/accounts/me").Status(http.StatusOK)
}
