package plugins_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/plugins"
)

const adminPassword = "nine wobbly teapots"

func TestCreateAdmin(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		registered := apptest.Record[plugins.UserRegistered]()
		o := openOffice(t, db, registered)
		done := o.CommandFrom(adminPassword+"\nmore\n", "accounts create-admin", "--email", " Ada@Example.org", "--name", " Ada ")
		require.NoError(t, done.Error)
		require.Equal(t, "created the administrator ada@example.org\n", done.Out)
		require.Contains(t, done.Err, "password: ")
		require.NotContains(t, done.Out+done.Err, adminPassword)

		var user models.User
		require.NoError(t, o.DB().Take(&user).Error)
		require.Equal(t, []any{"ada@example.org", "Ada", true}, []any{user.Email, user.Name, user.DisabledAt == nil})
		require.True(t, passwordMatches(t, user.PasswordHash, adminPassword))
		o.WaitForEvents()
		require.Equal(t, []plugins.UserRegistered{{ID: user.ID}}, registered.Events())
		o.with(o.session(user.ID)).GET("/accounts/users").Status(http.StatusOK)
	})
}

// A user who exists gets in again, and nobody else does who had a way in.
func TestCreateAdminOfAUser(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		registered, enabled, changed := apptest.Record[plugins.UserRegistered](), apptest.Record[plugins.UserEnabled](), apptest.Record[plugins.UserRolesChanged]()
		o := openOffice(t, db, registered, enabled, changed)
		o.role("clerk", "orders.read")
		ada := o.user("ada@example.org", "clerk")
		session := o.session(ada)
		ctx := apptest.Context(t)
		require.NoError(t, o.store.Remember(ctx, ada, ""))
		ticket, err := o.store.NewTicket(ctx, models.Ticket{Purpose: models.Reset, Email: "ada@example.org", UserID: &ada}, time.Hour)
		require.NoError(t, err)
		key := o.key(ada, "orders.read")
		require.NoError(t, o.DB().Create(&models.Identity{Issuer: "https://id.example", Subject: "mallory", UserID: ada, CreatedAt: time.Now()}).Error)
		require.NoError(t, o.DB().Model(&models.User{}).Where("id = ?", ada).Update("disabled_at", time.Now()).Error)

		for range 2 { // the second time the user has the role already
			done := o.CommandFrom(adminPassword, "accounts create-admin", "--email", "ada@example.org")
			require.NoError(t, done.Error)
			require.Equal(t, "the user ada@example.org is an administrator now, with the new password; all sessions, keys and linked accounts have ended\n", done.Out)
		}
		var user models.User
		require.NoError(t, o.DB().Take(&user).Error)
		require.Nil(t, user.DisabledAt)
		require.Equal(t, "somebody", user.Name, "the name stays without the flag")
		require.True(t, passwordMatches(t, user.PasswordHash, adminPassword))
		require.WithinDuration(t, time.Now(), user.PasswordChangedAt, time.Minute)
		o.with(session).GET("/accounts/me/sessions").Status(http.StatusUnauthorized)
		o.with(key).GET("/accounts/me/sessions").Status(http.StatusUnauthorized)
		var identities int64
		require.NoError(t, o.DB().Model(&models.Identity{}).Count(&identities).Error)
		require.Zero(t, identities)
		_, err = o.store.Use(ctx, models.Reset, ticket)
		require.Equal(t, app.Invalid, app.CodeOf(err))
		var devices int64
		require.NoError(t, o.DB().Model(&models.Device{}).Count(&devices).Error)
		require.Zero(t, devices)
		require.Equal(t, []string{models.Administrator, "clerk"}, apptest.Data[plugins.ManageUserData](o.administrator().GET("/accounts/users/"+ada)).Roles)

		o.WaitForEvents()
		require.Empty(t, registered.Events())
		require.Equal(t, []plugins.UserEnabled{{ID: ada}}, enabled.Events())
		require.Equal(t, []plugins.UserRolesChanged{{ID: ada}}, changed.Events())
	})
}

func TestCreateAdminIsRefused(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		registered := apptest.Record[plugins.UserRegistered]()
		o := openOffice(t, db, registered)
		for _, call := range []struct {
			input, args, want string
		}{
			{adminPassword, "", "--email is needed"},
			{adminPassword, "--email=ada", "--email must be an address"},
			{adminPassword, "--email=Ada<ada@example.org>", "--email must be an address"},
			{adminPassword, "--email=" + strings.Repeat("a", 250) + "@example.org", "--email must be an address"},
			{adminPassword, "--email=ada@example.org --name=" + strings.Repeat("a", 101), "--name must have at most 100 characters"},
			{adminPassword, "--email=ada@example.org " + adminPassword, "the command takes flags alone"},
			{"", "--email=ada@example.org", "password"},
			{"\n" + adminPassword, "--email=ada@example.org", "password"},
			{"short", "--email=ada@example.org", "password"},
			{"ada@example.org", "--email=ada@example.org", "password"},
			{strings.Repeat("long", 2000), "--email=ada@example.org", "password"},
		} {
			done := o.CommandFrom(call.input, "accounts create-admin", strings.Fields(call.args)...)
			require.ErrorContains(t, done.Error, call.want, call.args)
			require.Equal(t, app.Invalid, app.CodeOf(done.Error), call.args)
			require.Empty(t, done.Out)
		}
		var users int64
		require.NoError(t, o.DB().Model(&models.User{}).Count(&users).Error)
		require.Zero(t, users)
		o.WaitForEvents()
		require.Empty(t, registered.Events())
	})
}

// passwordMatches reports whether a hash is that of the password.
func passwordMatches(t *testing.T, hash, password string) bool {
	t.Helper()
	hasher, err := passwords.New(straight{}, passwords.Settings{}, passwords.Parameters{})
	require.NoError(t, err)
	matches, _, err := hasher.Matches(t.Context(), password, hash)
	require.NoError(t, err)
	return matches
}

// straight is a pool for plugins made by hand: it runs work where it is called.
type straight struct{}

// Run implements app.Pool.
func (straight) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {
	return work(idleJob{ctx.Done()})
}

type idleJob struct{ done <-chan struct{} }

func (j idleJob) Done() <-chan struct{} { return j.done }
func (idleJob) SetStatus(int)           {}
func (idleJob) Logger() *zap.Logger     { return zap.NewNop() }
func (idleJob) Reserve(int64) error     { return nil }
