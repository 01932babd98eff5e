package plugins_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/plugins"
)

func TestChangeEmail(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Record[plugins.UserEmailChanged]()
		h := open(t, db, events)
		id := h.register("ada@example.org")
		ada, _ := h.signIn("ada@example.org", goodPassword)
		h.POST("/accounts/reset", body("email", "ada@example.org")).Status(http.StatusAccepted)
		reset := h.ticket("ada@example.org")

		ada.POST("/accounts/me/email", body("email", "Lovelace@example.org")).Status(http.StatusAccepted)
		link := h.ticket("lovelace@example.org")
		h.POST("/accounts/sign-in", body("email", "lovelace@example.org", "password", goodPassword)).Fails(app.Unauthorized, wrong) // not yet
		h.POST("/accounts/email/confirm", body("token", link)).Status(http.StatusNoContent)
		h.POST("/accounts/email/confirm", body("token", link)).Status(http.StatusUnprocessableEntity)
		h.signIn("lovelace@example.org", goodPassword)
		h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Fails(app.Unauthorized, wrong)
		h.POST("/accounts/reset/confirm", body("token", reset, "password", otherPassword)).Status(http.StatusUnprocessableEntity) // who reads the old mailbox gets nothing
		require.Contains(t, h.subjects("ada@example.org"), "Your address was changed")
		require.Equal(t, []plugins.UserEmailChanged{{ID: id}}, events.Events())
	})
}

// An address that belongs to another user is not told, and not taken.
func TestChangeEmailToAnothers(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		ada, _ := h.signIn("ada@example.org", goodPassword)
		ada.POST("/accounts/me/email", body("email", "bob@example.org")).Status(http.StatusAccepted)
		link := h.ticket("bob@example.org")
		h.register("bob@example.org") // in the meantime
		h.POST("/accounts/email/confirm", body("token", link)).Fails(app.Conflict, "the address belongs to another user")
		ada.POST("/accounts/me/email", body("email", "bob@example.org")).Status(http.StatusAccepted)
		require.Contains(t, h.subjects("bob@example.org"), "This address has an account")
	})
}

// A session that was signed in long ago changes no address.
func TestChangeEmailNeedsAFreshSignIn(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	h.register("ada@example.org")
	ada, _ := h.signIn("ada@example.org", goodPassword)
	h.clock.Advance(10*time.Minute + time.Second)
	ada.POST("/accounts/me/email", body("email", "mallory@example.org")).Fails(app.Unauthorized, "sign in again: this needs a sign-in of the last 10m0s")
	require.Empty(t, h.subjects("mallory@example.org"))
}
