package plugins_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/migrations"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/sessions"
	"plugboard/domains/accounts/throttle"
)

// office is a running service in which users are managed.
type office struct {
	*apptest.App
	t        *testing.T
	store    *sessions.Store
	throttle *throttle.Throttle
}

// openOffice boots the plugins that manage users, with an authenticator that knows sessions and keys, and beside them a domain with permissions.
func openOffice(t *testing.T, db apptest.Database, more ...fx.Option) *office {
	t.Helper()
	o := &office{t: t}
	o.App = apptest.New(t, append([]fx.Option{
		db, administration(), app.Domain("orders", app.Permission("orders.read", "See orders"), app.Permission("orders.write", "Change orders")),
		fx.Populate(&o.store, &o.throttle),
	}, more...)...)
	return o
}

// administration is the part of the domain in which users are managed.
func administration() app.DomainModule {
	return app.Domain("accounts",
		app.Migrations(migrations.Files), app.Settings[sessions.Settings](), app.Settings[passwords.Settings](),
		fx.Supply(cheap), fx.Provide(sessions.New, passwords.New, throttle.New), fx.Provide(fx.Annotate(sessions.NewAuthenticator, fx.As(new(app.Authenticator)))),
		app.Permission(plugins.ReadUsers, "See users"), app.Permission(plugins.WriteUsers, "Manage users"), app.Permission(plugins.WriteRoles, "Change roles"),
		plugins.MyKeys, plugins.MySessions, plugins.ListUsers, plugins.ManageUser, plugins.Roles, plugins.ListSignIns, plugins.CreateAdmin,
	)
}

// user stores a user with roles and returns the id.
func (o *office) user(email string, roles ...string) string {
	o.t.Helper()
	user := models.User{ID: sessions.NewID(), Email: email, Name: "somebody", PasswordHash: "hash of " + email, PasswordChangedAt: time.Now(), CreatedAt: time.Now()}
	require.NoError(o.t, o.DB().Create(&user).Error)
	for _, role := range roles {
		require.NoError(o.t, o.DB().Create(&models.UserRole{UserID: user.ID, Role: role}).Error)
	}
	return user.ID
}

// role stores a role.
func (o *office) role(name string, permissions ...string) {
	o.t.Helper()
	require.NoError(o.t, o.DB().Create(&models.Role{Name: name, Permissions: strings.Join(permissions, " ")}).Error)
}

// as makes requests as a user who has just signed in, and has the permissions whatever the user's roles are.
func (o *office) as(userID string, permissions ...string) *apptest.App {
	return o.SignedIn(app.Principal{ID: userID, Permissions: permissions})
}

// administrator makes requests as somebody with all permissions.
func (o *office) administrator() *apptest.App { return o.as(sessions.NewID(), app.AllPermissions) }

// session starts a session of a user and returns its token.
func (o *office) session(userID string) string {
	o.t.Helper()
	token, err := o.store.Start(apptest.Context(o.t), userID, sessions.Client{Address: "192.0.2.7", UserAgent: "Mozilla/5.0"})
	require.NoError(o.t, err)
	return token
}

// key makes a key of a user and returns its token.
func (o *office) key(userID string, scopes ...string) string {
	o.t.Helper()
	_, token, err := o.store.NewKey(apptest.Context(o.t), models.Key{UserID: userID, Name: "key", Scopes: strings.Join(scopes, " "), ExpiresAt: time.Now().Add(time.Hour)})
	require.NoError(o.t, err)
	return token
}

// with makes requests with the token of a session or a key.
func (o *office) with(token string) *apptest.App {
	return o.As(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
}

// rights is all that says who may do what, as text.
func (o *office) rights() string {
	o.t.Helper()
	var b strings.Builder
	for _, table := range []string{"accounts_users", "accounts_roles", "accounts_user_roles", "accounts_sessions", "accounts_keys"} {
		var rows []map[string]any
		require.NoError(o.t, o.DB().Table(table).Order("1, 2").Find(&rows).Error)
		fmt.Fprintln(&b, table, rows)
	}
	return b.String()
}

const (
	nobody      = "0198c0de-0000-7000-8000-00000000dead"
	notSignedIn = "sign in first: the request does not say who makes it"
	keyRefused  = "this is for somebody who has signed in; an API key cannot do it"
	stale       = "sign in again: this needs a sign-in of the last 10m0s"
)
