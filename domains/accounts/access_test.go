package accounts_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/app/apptest/rules"
	"plugboard/domains/accounts"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/sessions"
)

// Every endpoint of the domain is called with every kind of session and key: those that hold, and those that do not any more.
func TestAccess(t *testing.T) {
	t.Parallel()
	rules.Access(t, accounts.Module, rules.Callers(func(t testing.TB, a *apptest.App) []rules.Caller { return newStreet(t, a).callers() }))
}

// street has users with sessions and keys.
type street struct {
	t     testing.TB
	app   *apptest.App
	store *sessions.Store
	now   time.Time
}

func newStreet(t testing.TB, a *apptest.App) street {
	settings := sessions.Settings{Lifetime: 30 * 24 * time.Hour, Idle: 7 * 24 * time.Hour}
	return street{t: t, app: a, store: sessions.New(a.DB(), app.SystemClock{}, settings), now: time.Now().UTC()}
}

// user stores a user with roles and returns its id.
func (s street) user(name string, roles ...string) string {
	s.t.Helper()
	id := sessions.NewID()
	require.NoError(s.t, s.app.DB().Create(&models.User{ID: id, Email: name + "@example.org", PasswordChangedAt: s.now, CreatedAt: s.now}).Error)
	for _, role := range roles {
		require.NoError(s.t, s.app.DB().Create(&models.UserRole{UserID: id, Role: role}).Error)
	}
	return id
}

// session starts a session, changes its row, and returns its token.
func (s street) session(user string, changes map[string]any) string {
	s.t.Helper()
	token, err := s.store.Start(apptest.Context(s.t), user, sessions.Client{})
	require.NoError(s.t, err)
	if changes != nil {
		var row models.Session
		require.NoError(s.t, s.app.DB().Where("user_id = ?", user).Order("id DESC").First(&row).Error)
		require.NoError(s.t, s.app.DB().Model(&models.Session{}).Where("id = ?", row.ID).Updates(changes).Error)
	}
	return token
}

func (s street) key(user, scopes string, lasts time.Duration) string {
	s.t.Helper()
	_, token, err := s.store.NewKey(apptest.Context(s.t), models.Key{UserID: user, Name: "k", Scopes: scopes, ExpiresAt: s.now.Add(lasts), UsedAt: &s.now})
	require.NoError(s.t, err)
	return token
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func cookie(token string) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessions.SessionCookie, Value: token}) }
}

func (s street) callers() []rules.Caller {
	require.NoError(s.t, s.app.DB().Create(&models.Role{Name: "clerk", Permissions: plugins.ReadUsers}).Error)
	administrator, clerk, nobody := s.user("root", models.Administrator), s.user("clerk", "clerk"), s.user("ann")
	disabled, revoked, deleted, demoted := s.user("disabled", models.Administrator), s.user("revoked", models.Administrator), s.user("deleted"), s.user("demoted", models.Administrator)
	ended, disabledKey := s.session(revoked, nil), s.key(disabled, plugins.ReadUsers, time.Hour)
	off, gone := s.session(disabled, nil), s.session(deleted, nil)
	before := s.session(demoted, nil)
	require.NoError(s.t, s.store.EndAll(apptest.Context(s.t), revoked, ""))
	require.NoError(s.t, s.app.DB().Model(&models.User{}).Where("id = ?", disabled).Update("disabled_at", s.now).Error)
	require.NoError(s.t, s.app.DB().Where("id = ?", deleted).Delete(&models.User{}).Error)
	require.NoError(s.t, s.app.DB().Where("user_id = ?", demoted).Delete(&models.UserRole{}).Error)
	all, some := []string{app.AllPermissions}, []string{plugins.ReadUsers}
	holds, other := s.session(administrator, nil), s.session(administrator, nil)
	stale := map[string]any{"signed_in_at": s.now.Add(-time.Hour)}
	return []rules.Caller{
		{Name: "an administrator", Prepare: bearer(holds), Known: &app.Principal{Permissions: all, SignedInAt: s.now}},
		{Name: "an administrator in a browser", Prepare: cookie(holds), Known: &app.Principal{Permissions: all, SignedInAt: s.now}},
		{Name: "an administrator since an hour", Prepare: bearer(s.session(administrator, stale)), Known: &app.Principal{Permissions: all, SignedInAt: s.now.Add(-time.Hour)}},
		{Name: "a clerk", Prepare: cookie(s.session(clerk, nil)), Known: &app.Principal{Permissions: some, SignedInAt: s.now}},
		{Name: "a user without a role", Prepare: bearer(s.session(nobody, nil)), Known: &app.Principal{SignedInAt: s.now}},
		{Name: "a user who lost the role", Prepare: bearer(before), Known: &app.Principal{SignedInAt: s.now}},
		{Name: "an administrator's key of a small scope", Prepare: bearer(s.key(administrator, plugins.ReadUsers, time.Hour)), Known: &app.Principal{Permissions: some}},
		{Name: "a key whose owner may less", Prepare: bearer(s.key(nobody, plugins.ReadUsers, time.Hour)), Known: &app.Principal{}},
		{Name: "a key that is over", Prepare: bearer(s.key(administrator, plugins.ReadUsers, -time.Second))},
		{Name: "a key of a disabled user", Prepare: bearer(disabledKey)},
		{Name: "a key in the cookie", Prepare: cookie(s.key(administrator, plugins.ReadUsers, time.Hour))},
		{Name: "a session that was revoked", Prepare: bearer(ended)},
		{Name: "a session of a disabled user", Prepare: cookie(off)},
		{Name: "a session of a deleted user", Prepare: bearer(gone)},
		{Name: "a session past its lifetime", Prepare: bearer(s.session(administrator, map[string]any{"expires_at": s.now.Add(-time.Second)}))},
		{Name: "a session that was idle", Prepare: cookie(s.session(administrator, map[string]any{"used_at": s.now.Add(-8 * 24 * time.Hour)}))},
		{Name: "a cookie and a bearer that disagree", Prepare: func(r *http.Request) { cookie(holds)(r); bearer(other)(r) }},
		{Name: "a token of a ticket", Prepare: bearer("pbt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")},
	}
}
