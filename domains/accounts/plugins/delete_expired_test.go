package plugins_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app/apptest"
)

// What is over is deleted every hour, and what holds is not.
func TestDeleteExpired(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		h.signIn("ada@example.org", goodPassword)
		h.POST("/accounts/register", body("email", "bob@example.org")).Status(http.StatusAccepted)
		h.WaitForEvents()
		count := func(table string) (n int64) {
			require.NoError(t, h.DB().Table(table).Count(&n).Error)
			return n
		}
		run := func() {
			h.Run("accounts.delete_expired/schedule")
			h.WaitForEvents()
		}
		run()
		require.EqualValues(t, 1, count("accounts_sessions"))
		require.EqualValues(t, 1, count("accounts_tickets"))
		require.EqualValues(t, 1, count("accounts_sign_ins"))
		h.clock.Advance(2 * time.Hour)
		run()
		require.EqualValues(t, 1, count("accounts_sessions"))
		require.Zero(t, count("accounts_tickets"))
		require.Zero(t, count("accounts_throttles"))
		h.clock.Advance(91 * 24 * time.Hour)
		run()
		require.Zero(t, count("accounts_sessions"))
		require.Zero(t, count("accounts_sign_ins"))
		require.EqualValues(t, 1, count("accounts_users"))
	})
}
