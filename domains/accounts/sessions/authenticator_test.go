package sessions_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/sessions"
)

// A plugin that changes what its caller may do, by sorting the list for example, changes it for its request alone: on SQLite several requests go by
// a session that was read once.
func TestAPrincipalIsOfOneRequest(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h, ctx := apptest.New(t, db, accounts.Module), apptest.Context(t)
		now := time.Now()
		ada := models.User{ID: sessions.NewID(), Email: "ada@example.org", PasswordChangedAt: now, CreatedAt: now}
		require.NoError(t, h.DB().Create(&ada).Error)
		require.NoError(t, h.DB().Create(&models.Role{Name: "clerk", Permissions: "orders.read"}).Error)
		require.NoError(t, h.DB().Create(&models.UserRole{UserID: ada.ID, Role: "clerk"}).Error)
		store := sessions.New(h.DB(), app.SystemClock{}, sessions.Settings{Lifetime: time.Hour, Idle: time.Hour})
		token, err := store.Start(ctx, ada.ID, sessions.Client{})
		require.NoError(t, err)
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		for range 3 {
			who, err := sessions.NewAuthenticator(store).Authenticate(ctx, r)
			require.NoError(t, err)
			require.Equal(t, []string{"orders.read"}, who.Permissions)
			who.Permissions[0] = app.AllPermissions
		}
	})
}
