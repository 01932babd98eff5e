package plugins_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
)

func TestChangePassword(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Record[plugins.UserPasswordChanged]()
		h := open(t, db, events)
		id := h.register("ada@example.org")
		here, _ := h.signIn("ada@example.org", goodPassword)
		elsewhere, _ := h.signIn("ada@example.org", goodPassword)
		h.POST("/accounts/reset", body("email", "ada@example.org")).Status(http.StatusAccepted)
		link := h.ticket("ada@example.org")

		change := func(as *apptest.App, current, password string) *apptest.Answer {
			return as.POST("/accounts/me/password", body("current", current, "password", password, "use", "token"))
		}
		change(h.App, goodPassword, otherPassword).Status(http.StatusUnauthorized)
		change(here, "something else entirely", otherPassword).Fails(app.Forbidden, "the current password is wrong")
		change(here, goodPassword, "short").Status(http.StatusUnprocessableEntity)
		change(here, goodPassword, "ada@example.org").Status(http.StatusUnprocessableEntity)
		data := apptest.Data[plugins.ChangePasswordData](change(here, goodPassword, otherPassword).Status(http.StatusOK))
		require.Equal(t, id, data.UserID)

		refused(t, here)
		refused(t, elsewhere)
		h.with(data.Token).GET("/accounts/me").Status(http.StatusOK)
		h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Fails(app.Unauthorized, wrong)
		h.signIn("ada@example.org", otherPassword)
		h.POST("/accounts/reset/confirm", body("token", link, "password", goodPassword+"s")).Status(http.StatusUnprocessableEntity) // the old link is dead
		require.Contains(t, h.subjects("ada@example.org"), "Your password was changed")
		require.Equal(t, []plugins.UserPasswordChanged{{ID: id}}, events.Events())
	})
}

// Of two changes at the same time with the same session one is made, and one session is left.
func TestChangePasswordInParallel(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		ada, _ := h.signIn("ada@example.org", goodPassword)
		var all sync.WaitGroup
		answers := make([]*apptest.Answer, 4)
		for i := range answers {
			all.Go(func() {
				answers[i] = ada.POST("/accounts/me/password", body("current", goodPassword, "password", otherPassword+string(rune('a'+i)), "use", "token"))
			})
		}
		all.Wait()
		changed := 0
		for _, answer := range answers {
			if answer.Code == http.StatusOK {
				changed++
				h.with(apptest.Data[plugins.ChangePasswordData](answer).Token).GET("/accounts/me").Status(http.StatusOK)
			} else {
				require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, answer.Code, answer.Body)
			}
		}
		require.Equal(t, 1, changed)
		var left int64
		require.NoError(t, h.DB().Model(&models.Session{}).Count(&left).Error)
		require.EqualValues(t, 1, left)
		refused(t, ada)
	})
}

// Whoever stole a session does not guess the password with it.
func TestChangePasswordIsThrottled(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	h.register("ada@example.org")
	ada, _ := h.signIn("ada@example.org", goodPassword)
	for range 10 {
		ada.POST("/accounts/me/password", body("current", "something else entirely", "password", otherPassword)).Fails(app.Forbidden, "the current password is wrong")
	}
	ada.POST("/accounts/me/password", body("current", goodPassword, "password", otherPassword)).Fails(app.TooMany, "too many attempts; try again later")
}

// While the work pool is full, a change of the password is refused and counts for no limit, whether there is no room to compare or none to hash.
func TestChangePasswordWhileThePoolIsFull(t *testing.T) {
	t.Parallel()
	pool := &fullPool{}
	h := open(t, apptest.SQLite(t), pool.part())
	h.register("ada@example.org")
	ada, _ := h.signIn("ada@example.org", goodPassword)
	pool.full.Store(true)
	change := body("current", goodPassword, "password", otherPassword)
	for i := range 24 { // twice the limit
		pool.silent.Store(i > 0)
		pool.room.Store(int64(i % 2))
		ada.POST("/accounts/me/password", change).Fails(app.Unavailable, "too much work is waiting, try again later")
	}
	pool.full.Store(false)
	ada.POST("/accounts/me/password", change).Status(http.StatusOK)
}
