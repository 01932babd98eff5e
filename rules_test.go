package main

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/app/apptest/rules"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/sessions"
)

// The service keeps the rules of its project, each a subtest. The tests of package rules see each of them fail.
func TestRules(t *testing.T) {
	t.Parallel()
	rules.Hold(t, modules, rules.AllReached(), rules.MadeBy(administrator),
		rules.Unreached("what it needs was sent by mail", "accounts.register.confirm", "accounts.reset_password.confirm", "accounts.change_email.confirm"),
		rules.Unreached("registration is by invitation, unless a setting opens it", "accounts.register"),
		rules.Unreached("what it needs is a password", "accounts.sign_in", "accounts.change_password"),
		rules.Unreached("no generated request names its permissions or IDs", "accounts.my_keys.new", "accounts.my_keys.delete", "accounts.my_sessions.end"),
		rules.Unreached("the service has no identity provider",
			"accounts.sign_in_with_provider", "accounts.sign_in_with_provider.finish", "accounts.sign_in_with_provider.link"),
	)
}

// administrator makes requests as an administrator, with another session when one was ended by a request. There is another user, of
// whom the documents speak.
func administrator(t testing.TB, a *apptest.App) func(*http.Request) {
	t.Helper()
	now := time.Now().UTC()
	users := []models.User{
		{ID: sessions.NewID(), Email: "root@example.org", PasswordChangedAt: now, CreatedAt: now},
		{ID: "0198c0de-0000-7000-8000-000000000001", Email: "grace@example.org", PasswordChangedAt: now, CreatedAt: now},
	}
	require.NoError(t, a.DB().Create(&users).Error)
	require.NoError(t, a.DB().Create(&models.UserRole{UserID: users[0].ID, Role: models.Administrator}).Error)
	require.NoError(t, a.DB().Create(&models.Role{Name: "support", Permissions: "accounts.read_users"}).Error)
	store := sessions.New(a.DB(), app.SystemClock{}, sessions.Settings{Lifetime: time.Hour, Idle: time.Hour})
	var mu sync.Mutex
	token := ""
	return func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var left int64
		require.NoError(t, a.DB().Model(&models.Session{}).Where("user_id = ?", users[0].ID).Count(&left).Error)
		if left == 0 {
			var err error
			token, err = store.Start(apptest.Context(t), users[0].ID, sessions.Client{})
			require.NoError(t, err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
}
