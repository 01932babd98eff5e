package plugins_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/provider"
)

// A flow ends in the browser in which it began, once, and in time.
func TestFlows(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		p := newIDP(t)
		now := apptest.NewClock(time.Now())
		h := bootProvider(t, p.settings(), db, now)

		// An attacker has somebody else's browser end what the attacker began (login CSRF).
		attacker, victim := newBrowser(t, h), newBrowser(t, h)
		back := attacker.start("")
		victim.get(back).Fails(app.Invalid, notKnown)
		victim.start("")
		victim.get(back).Fails(app.Invalid, notKnown)
		untouched(t, h, victim)
		require.Zero(t, p.times("/token"), "the code was not even exchanged")

		// The flow is still there for the browser that began it, once.
		attacker.get(back).Status(http.StatusSeeOther)
		attacker.get(back).Fails(app.Invalid, notKnown)
		b := newBrowser(t, h)
		back = b.start("")
		jar := b.jar
		b.jar = must(cookiejar.New(nil))
		for _, c := range jar.Cookies(must(url.Parse(host))) {
			b.jar.SetCookies(must(url.Parse(host)), []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/"}})
		}
		b.get(back).Status(http.StatusSeeOther)
		b.jar = jar // with the cookie again, which the first had taken away
		b.get(back).Fails(app.Invalid, notKnown)

		// It lasts ten minutes.
		b = newBrowser(t, h)
		in := b.start("")
		now.Advance(10*time.Minute - time.Second)
		b.get(in).Status(http.StatusSeeOther)
		b = newBrowser(t, h)
		late := b.start("")
		now.Advance(10 * time.Minute)
		b.get(late).Fails(app.Invalid, notKnown)

		for _, q := range []string{"", "?state=", "?state=x&code=y", "?code=y"} {
			b.get(providerPath+"/callback"+q).Fails(app.Invalid, notKnown)
		}
	})
}

// Several tabs of a browser sign in side by side, and a cookie that is none of ours is replaced.
func TestSeveralTabs(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	h := bootProvider(t, p.settings())
	b := newBrowser(t, h)
	b.jar.SetCookies(must(url.Parse(host)), []*http.Cookie{{Name: provider.FlowCookie, Value: "chosen-by-somebody", Path: "/"}})
	one := b.start("?return=/one")
	cookie := b.cookie(provider.FlowCookie)
	require.Len(t, cookie, 43)
	two := b.start("?return=/two")
	require.Equal(t, cookie, b.cookie(provider.FlowCookie))
	b.get(one).Header("Location", "/one").Status(http.StatusSeeOther)
	b.jar.SetCookies(must(url.Parse(host)), []*http.Cookie{{Name: provider.FlowCookie, Value: cookie, Path: "/"}})
	b.get(two).Header("Location", "/two").Status(http.StatusSeeOther)
}

// Of callbacks at the same time with one state, one wins; of first sign-ins of one person at the same time, all do, as one user.
func TestParallelCallbacks(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		p := newIDP(t)
		h := bootProvider(t, p.settings(), db)
		const many = 8
		run := func(backs []string, b []*browser) (all []*apptest.Answer) {
			all = make([]*apptest.Answer, many)
			var wg sync.WaitGroup
			for i := range many {
				wg.Go(func() { all[i] = b[i%len(b)].get(backs[i%len(backs)]) })
			}
			wg.Wait()
			return all
		}
		b := newBrowser(t, h)
		won := 0
		for _, a := range run([]string{b.start("")}, []*browser{b}) {
			if a.Code == http.StatusSeeOther {
				won++
				continue
			}
			a.Fails(app.Invalid, notKnown)
		}
		require.Equal(t, 1, won)
		require.Equal(t, 1, p.times("/token"))

		p.set(func() { p.claims["sub"], p.claims["email"] = "bob", "bob@example.org" })
		var backs []string
		var browsers []*browser
		for range many {
			b := newBrowser(t, h)
			browsers, backs = append(browsers, b), append(backs, b.start(""))
		}
		for _, a := range run(backs, browsers) {
			a.Status(http.StatusSeeOther)
		}
		require.Len(t, allRows[models.User](h), 2)
		require.Len(t, allRows[models.Identity](h), 2)
		require.Len(t, allRows[models.Session](h), 1+many)
	})
}
