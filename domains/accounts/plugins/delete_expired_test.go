package plugins_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/sessions"
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

// Of each kind, what is over by a second is deleted, and what holds for a second more is not.
func TestDeleteExpiredDeletesWhatIsOverAlone(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		ada := h.member("ada@example.org")
		const day = 24 * time.Hour
		token := byte(0)
		hash := func() []byte { token++; return append(make([]byte, 31), token) }
		kinds := map[string]func(off time.Duration) any{ // off is how much longer it holds
			"session": func(off time.Duration) any {
				return &models.Session{ID: sessions.NewID(), UserID: ada, TokenHash: hash(), SignedInAt: begin, UsedAt: begin, ExpiresAt: begin.Add(off)}
			},
			"idle session": func(off time.Duration) any {
				return &models.Session{ID: sessions.NewID(), UserID: ada, TokenHash: hash(), SignedInAt: begin, UsedAt: begin.Add(off - 7*day), ExpiresAt: begin.Add(day)}
			},
			"key": func(off time.Duration) any {
				return &models.Key{ID: sessions.NewID(), UserID: ada, Name: "k", TokenHash: hash(), Scopes: "*", CreatedAt: begin, ExpiresAt: begin.Add(off - 90*day)}
			},
			"ticket": func(off time.Duration) any {
				return &models.Ticket{ID: sessions.NewID(), TokenHash: hash(), Purpose: models.Reset, Email: "ada@example.org", UserID: &ada, CreatedAt: begin, ExpiresAt: begin.Add(off)}
			},
			"flow": func(off time.Duration) any {
				return &models.Flow{StateHash: hash(), BrowserHash: hash(), ExpiresAt: begin.Add(off)}
			},
			"device": func(off time.Duration) any {
				return &models.Device{TokenHash: hash(), UserID: ada, UsedAt: begin.Add(off - 180*day)}
			},
			"sign-in": func(off time.Duration) any {
				return &models.SignIn{ID: sessions.NewID(), Outcome: models.UnknownUser, Method: "password", At: begin.Add(off - 90*day)}
			},
			"throttle": func(off time.Duration) any {
				return &models.Throttle{NameHash: hash(), FullAt: begin.Add(off).UnixMicro()}
			},
		}
		tables := map[string]any{}
		for _, kind := range kinds {
			over, holds := kind(-time.Second), kind(time.Second)
			require.NoError(t, h.DB().Create(over).Error)
			require.NoError(t, h.DB().Create(holds).Error)
			tables[fmt.Sprintf("%T", holds)] = holds
		}
		h.Run("accounts.delete_expired/schedule")
		h.WaitForEvents()
		for name, model := range tables {
			var left int64
			require.NoError(t, h.DB().Model(model).Where("1 = 1").Count(&left).Error)
			want := int64(1)
			if name == "*models.Session" {
				want = 2 // of those that are over, and of those that were not used
			}
			require.Equal(t, want, left, name)
		}
	})
}
