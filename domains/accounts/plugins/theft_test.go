package plugins_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/sessions"
)

// Somebody who has put their own session into the browser of another does not share what that one signs in to, and loses the session by it.
func TestAPlantedSessionStaysItsOwners(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		h.register("eve@example.org")
		planted := cookie(t, h.POST("/accounts/sign-in", body("email", "eve@example.org", "password", goodPassword)), sessions.SessionCookie).Value
		victim := h.As(func(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessions.SessionCookie, Value: planted}) })
		answer := victim.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Status(http.StatusOK)
		require.NotEqual(t, planted, cookie(t, answer, sessions.SessionCookie).Value)
		refused(t, h.with(planted))
	})
}

// What was copied from a browser is worth nothing once the browser has signed out, in whatever way it is sent.
func TestACopyEndsWithItsSession(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	h.register("ada@example.org")
	answer := h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Status(http.StatusOK)
	browser, copied := h.withCookie(answer), h.with(cookie(t, answer, sessions.SessionCookie).Value)
	copied.GET("/accounts/me").Status(http.StatusOK)
	browser.POST("/accounts/sign-out", nil).Status(http.StatusNoContent)
	refused(t, copied)
	refused(t, browser)
	refused(t, h.with(cookie(t, answer, sessions.DeviceCookie).Value)) // a device is no session
}

// A session that many end at once is over, and its user's others are not.
func TestSignOutInParallel(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		one, _ := h.signIn("ada@example.org", goodPassword)
		two, _ := h.signIn("ada@example.org", goodPassword)
		var all sync.WaitGroup
		codes := make([]int, 8)
		for i := range codes {
			all.Go(func() { codes[i] = one.POST("/accounts/sign-out", nil).Code })
		}
		all.Wait()
		for _, code := range codes { // those that came late were not known any more
			require.Contains(t, []int{http.StatusNoContent, http.StatusUnauthorized}, code)
		}
		require.Contains(t, codes, http.StatusNoContent)
		refused(t, one)
		two.GET("/accounts/me").Status(http.StatusOK)
	})
}

// heldPool holds up who waits for a job, when it is told to: the job is done, and nobody knows its result yet.
type heldPool struct {
	app.Pool
	armed         atomic.Bool
	done, release chan struct{}
}

// Run implements app.Pool.
func (p *heldPool) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {
	result, err := p.Pool.Run(ctx, work)
	if p.armed.CompareAndSwap(true, false) {
		close(p.done)
		<-p.release
	}
	return result, err
}

// A sign-in with a password that was right when it was compared starts no session when, before it does, the password has been changed or the user
// disabled: the session would have escaped the end of all sessions.
func TestASignInDoesNotOutrunARevocation(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(h house, ada *apptest.App){
		"password changed": func(_ house, ada *apptest.App) {
			ada.POST("/accounts/me/password", body("current", goodPassword, "password", otherPassword)).Status(http.StatusOK)
		},
		"disabled": func(h house, _ *apptest.App) {
			var user models.User
			require.NoError(h.t, h.DB().First(&user).Error)
			admin := h.SignedIn(app.Principal{ID: sessions.NewID(), Permissions: []string{app.AllPermissions}, SignedInAt: begin})
			admin.POST("/accounts/users/"+user.ID+"/disable", nil).Status(http.StatusNoContent)
		},
		"deleted": func(h house, _ *apptest.App) {
			var user models.User
			require.NoError(h.t, h.DB().First(&user).Error)
			admin := h.SignedIn(app.Principal{ID: sessions.NewID(), Permissions: []string{app.AllPermissions}, SignedInAt: begin})
			admin.DELETE("/accounts/users/" + user.ID).Status(http.StatusNoContent)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
				pool := &heldPool{done: make(chan struct{}), release: make(chan struct{})}
				h := open(t, db, fx.Decorate(func(p app.Pool) app.Pool { pool.Pool = p; return pool }))
				h.register("ada@example.org")
				ada, _ := h.signIn("ada@example.org", goodPassword)
				pool.armed.Store(true)
				answer := make(chan *apptest.Answer, 1)
				go func() {
					answer <- h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword))
				}()
				<-pool.done
				func() {
					defer close(pool.release)
					revoke(h, ada)
				}()
				(<-answer).Fails(app.Unauthorized, wrong)
			})
		})
	}
}
