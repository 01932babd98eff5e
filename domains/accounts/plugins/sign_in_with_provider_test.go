package plugins_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/provider"
	"plugboard/domains/accounts/sessions"
)

// A person whom the provider knows becomes a user, and is the same user at the next sign-in, whatever the address is then.
func TestSignInWithProvider(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		p := newIDP(t)
		registered, linked := apptest.Record[plugins.UserRegistered](), apptest.Record[plugins.UserIdentityLinked]()
		h := bootProvider(t, p.settings(), db, registered, linked)
		b := newBrowser(t, h)

		sent := b.get(providerPath + "?return=/orders%3Fa%3Db%23c").Status(http.StatusSeeOther)
		require.Empty(t, sent.Body)
		to := must(url.Parse(sent.Head.Get("Location")))
		q := to.Query()
		require.Equal(t, p.URL+"/authorize", to.Scheme+"://"+to.Host+to.Path)
		for name, want := range map[string]string{
			"response_type": "code", "client_id": clientID, "redirect_uri": callback, "scope": "openid email profile", "code_challenge_method": "S256", "max_age": "2592000",
		} {
			require.Equal(t, want, q.Get(name), name)
		}
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			require.Len(t, q.Get(name), 43, name)
		}
		require.Contains(t, sent.Head.Get("Set-Cookie"), "; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax")
		flows := allRows[models.Flow](h)
		require.Len(t, flows, 1)
		require.NotContains(t, string(flows[0].StateHash), q.Get("state"))

		back := b.visit(to.String())
		done := b.get(back).Status(http.StatusSeeOther).Header("Location", "/orders?a=b#c")
		require.Contains(t, done.Head.Values("Set-Cookie"), provider.FlowCookie+"=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
		require.Empty(t, b.cookie(provider.FlowCookie))
		require.NotEmpty(t, b.cookie(sessions.DeviceCookie))
		first := b.cookie(sessions.SessionCookie)
		require.NotEmpty(t, first)

		users := allRows[models.User](h)
		require.Len(t, users, 1)
		require.Equal(t, models.User{
			ID: users[0].ID, Email: "ada@example.org", Name: "Ada", CreatedAt: users[0].CreatedAt, PasswordChangedAt: users[0].PasswordChangedAt,
		}, users[0])
		require.Equal(t, []models.Outcome{models.SignedIn}, outcomes(t, h))
		require.Empty(t, allRows[models.Flow](h))

		p.set(func() { p.claims["email"], p.claims["email_verified"] = "other@example.org", false })
		b.signIn().Status(http.StatusSeeOther).Header("Location", "/")
		require.NotEqual(t, first, b.cookie(sessions.SessionCookie))
		require.Len(t, allRows[models.Session](h), 1, "the one before has ended")
		require.Len(t, allRows[models.Identity](h), 1)
		require.Len(t, allRows[models.Device](h), 1, "the same browser")
		require.Equal(t, 1, p.times("/.well-known/openid-configuration"))
		require.Equal(t, 1, p.times("/keys"))

		h.WaitForEvents()
		require.Equal(t, []plugins.UserRegistered{{ID: users[0].ID}}, registered.Events())
		require.Equal(t, []plugins.UserIdentityLinked{{ID: users[0].ID}}, linked.Events())
	})
}

// A session is as fresh as what the provider says, and not as the redirect.
func TestSignInWithProviderIsAsFreshAsTheProviderSays(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	h := bootProvider(t, p.settings())
	b := newBrowser(t, h)
	const link = "/accounts/me/identities/link"
	for _, c := range []struct {
		authTime any
		status   int
	}{
		{time.Now().Add(-time.Hour).Unix(), http.StatusUnauthorized},
		{nil, http.StatusUnauthorized},
		{time.Now().Add(-time.Minute).Unix(), http.StatusOK},
		{time.Now().Add(time.Hour).Unix(), http.StatusOK},
	} {
		p.set(func() { p.claims["auth_time"] = c.authTime })
		b.signIn().Status(http.StatusSeeOther)
		b.do(http.MethodPost, link, `{}`).Status(c.status)
	}
	for _, s := range allRows[models.Session](h) {
		require.False(t, s.SignedInAt.After(time.Now()), "not in the future")
	}
	q := must(url.Parse(b.get(providerPath + "?fresh=true").Head.Get("Location"))).Query()
	require.Equal(t, []string{"login", "0"}, []string{q.Get("prompt"), q.Get("max_age")})
}

// Without a provider in the settings the endpoints are not there.
func TestNoProvider(t *testing.T) {
	t.Parallel()
	h := bootProvider(t, provider.Settings{Link: "off", Scopes: []string{"openid"}})
	h.GET(providerPath).Fails(app.NotFound, "there is no sign-in with a provider")
	h.GET(providerPath+"/callback?code=x&state=x").Fails(app.NotFound, "there is no sign-in with a provider")
}

// Somebody who comes with the address of a user takes over nothing.
func TestAnAddressOfAUser(t *testing.T) {
	t.Parallel()
	const (
		off     = "off"
		conf    = "there is an account with this e-mail address; sign in with its password, and link the provider"
		none    = "no account is linked to this sign-in, and the identity provider has not verified an e-mail address"
		closed  = "no account is linked to this sign-in, and signing in makes none"
		victim  = "mike@example.org"
		unknown = "nobody@example.org"
	)
	for name, c := range map[string]struct {
		link     string
		register bool
		email    any
		verified any
		code     app.Code
		message  string
		outcome  models.Outcome
	}{
		"not linked":                     {off, true, victim, true, app.Conflict, conf, models.NotLinked},
		"not linked, no registration":    {off, false, victim, true, app.Conflict, conf, models.NotLinked},
		"unverified":                     {provider.VerifiedEmail, true, victim, false, app.Forbidden, none, models.UnknownUser},
		"unverified, of nobody":          {provider.VerifiedEmail, true, unknown, false, app.Forbidden, none, models.UnknownUser},
		"silent about it":                {provider.VerifiedEmail, true, victim, nil, app.Forbidden, none, models.UnknownUser},
		"verified is no truth":           {provider.VerifiedEmail, true, victim, "yes", app.Forbidden, none, models.UnknownUser},
		"verified is a number":           {provider.VerifiedEmail, true, victim, 1, app.Forbidden, none, models.UnknownUser},
		"letters that become others":     {provider.VerifiedEmail, true, "mi\u212ae@example.org", true, app.Forbidden, none, models.UnknownUser},
		"a name around it":               {provider.VerifiedEmail, true, "Mike <mike@example.org>", true, app.Forbidden, none, models.UnknownUser},
		"two":                            {provider.VerifiedEmail, true, "mike@example.org,a@example.org", true, app.Forbidden, none, models.UnknownUser},
		"a space":                        {provider.VerifiedEmail, true, " mike@example.org", true, app.Forbidden, none, models.UnknownUser},
		"no address":                     {provider.VerifiedEmail, true, nil, true, app.Forbidden, none, models.UnknownUser},
		"nobody, and no registration":    {provider.VerifiedEmail, false, unknown, true, app.Forbidden, closed, models.UnknownUser},
		"linked":                         {provider.VerifiedEmail, false, "MIKE@example.org", true, "", "", models.SignedIn},
		"linked, verified in other type": {provider.VerifiedEmail, false, victim, "true", "", "", models.SignedIn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newIDP(t)
			h := bootProvider(t, p.settings(func(s *provider.Settings) { s.Link, s.Register = c.link, c.register }))
			mike := storeUser(t, h, victim)
			p.set(func() { p.claims["email"], p.claims["email_verified"] = c.email, c.verified })
			b := newBrowser(t, h)
			a := b.signIn()
			require.Equal(t, []models.Outcome{c.outcome}, outcomes(t, h))
			require.Len(t, allRows[models.User](h), 1)
			if c.code == "" {
				a.Status(http.StatusSeeOther)
				require.Equal(t, mike.ID, allRows[models.Session](h)[0].UserID)
				require.Equal(t, mike.ID, allRows[models.Identity](h)[0].UserID)
				return
			}
			a.Fails(c.code, c.message)
			require.Empty(t, b.cookie(sessions.SessionCookie))
			require.Empty(t, allRows[models.Session](h))
			require.Empty(t, allRows[models.Identity](h))
		})
	}
}

// A disabled user gets no session, and an address that would link gets no link.
func TestADisabledUser(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		p := newIDP(t)
		h := bootProvider(t, p.settings(func(s *provider.Settings) { s.Link = provider.VerifiedEmail }), db)
		ada := storeUser(t, h, "ada@example.org")
		disable := func(at any) { require.NoError(t, h.DB().Model(&ada).Update("disabled_at", at).Error) }
		b := newBrowser(t, h)
		disable(time.Now())
		b.signIn().Fails(app.Forbidden, "the account is disabled")
		require.Empty(t, allRows[models.Identity](h))
		disable(nil)
		b.signIn().Status(http.StatusSeeOther)
		disable(time.Now())
		b.signIn().Fails(app.Forbidden, "the account is disabled")
		require.Len(t, allRows[models.Session](h), 1)
		require.Equal(t, []models.Outcome{models.Disabled, models.SignedIn, models.Disabled}, outcomes(t, h))
	})
}

// The same subject of another issuer is somebody else.
func TestAnotherIssuer(t *testing.T) {
	t.Parallel()
	db := apptest.SQLite(t)
	one, two := newIDP(t), newIDP(t)
	h := bootProvider(t, one.settings(), db)
	newBrowser(t, h).signIn().Status(http.StatusSeeOther)
	h.Stop()
	h = bootProvider(t, two.settings(), db)
	newBrowser(t, h).signIn().Fails(app.Conflict, "there is an account with this e-mail address; sign in with its password, and link the provider")
	two.set(func() { two.claims["email"] = "ada@two.example.org" })
	newBrowser(t, h).signIn().Status(http.StatusSeeOther)
	require.Len(t, allRows[models.User](h), 2)
}

// A signed-in user links the provider, and signs in with it from then on.
func TestLinkProvider(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		p := newIDP(t)
		mails := apptest.Record[plugins.IdentityLinkedMail]()
		h := bootProvider(t, p.settings(func(s *provider.Settings) { s.Register = false }), db, mails)
		store := sessions.New(h.DB(), realClock{}, sessions.Settings{Lifetime: time.Hour, Idle: time.Hour})
		ada, bob := storeUser(t, h, "ada@elsewhere.org"), storeUser(t, h, "bob@example.org")
		as := func(u models.User) *browser {
			b := newBrowser(t, h)
			token := must(store.Start(apptest.Context(t), u.ID, sessions.Client{}))
			b.jar.SetCookies(must(url.Parse(host)), []*http.Cookie{{Name: sessions.SessionCookie, Value: token, Path: "/", Secure: true}})
			return b
		}
		link := func(b *browser) (back string) {
			data := apptest.Data[plugins.LinkProviderData](b.do(http.MethodPost, "/accounts/me/identities/link", `{"return":"/settings"}`))
			return b.visit(data.URL)
		}
		newBrowser(t, h).do(http.MethodPost, "/accounts/me/identities/link", `{}`).Status(http.StatusUnauthorized)
		as(ada).do(http.MethodPost, "/accounts/me/identities/link", `{"return":"//evil.example"}`).Fails(app.Invalid, "return must be a path of this host, such as /orders")

		// A session that has ended meanwhile links nothing, nor does that of somebody else.
		b := as(ada)
		back := link(b)
		require.NoError(t, store.EndAll(apptest.Context(t), ada.ID, ""))
		b.get(back).Status(http.StatusUnauthorized)
		b, other := as(ada), as(bob)
		back = link(b)
		token := other.cookie(sessions.SessionCookie)
		b.jar.SetCookies(must(url.Parse(host)), []*http.Cookie{{Name: sessions.SessionCookie, Value: token, Path: "/", Secure: true}})
		b.get(back).Fails(app.Unauthorized, "sign in again: linking needs the session in which it began")
		require.Empty(t, allRows[models.Identity](h))

		b = as(ada)
		before := b.cookie(sessions.SessionCookie)
		b.get(link(b)).Status(http.StatusSeeOther).Header("Location", "/settings")
		require.Equal(t, before, b.cookie(sessions.SessionCookie), "no new session")
		b.get(link(b)).Status(http.StatusSeeOther) // twice does no harm
		b = as(bob)
		b.get(link(b)).Fails(app.Conflict, "this sign-in is linked to another account")
		newBrowser(t, h).signIn().Status(http.StatusSeeOther)
		require.Equal(t, ada.ID, allRows[models.SignIn](h)[0].UserID)
		h.WaitForEvents()
		require.Equal(t, []plugins.IdentityLinkedMail{{Purpose: "identity_linked", Email: "ada@elsewhere.org", UserID: ada.ID}}, mails.Events(), "the user is told")

		// With the user the identity goes.
		require.NoError(t, h.DB().Delete(&ada).Error)
		require.Empty(t, allRows[models.Identity](h))
	})
}

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }
