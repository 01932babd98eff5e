package plugins_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/sessions"
)

func TestMyKeys(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
		clock := apptest.NewClock(now)
		o := openOffice(t, db, clock)
		o.role("clerk", "orders.write", "orders.read")
		ada, bob := o.user("ada@example.org", "clerk"), o.user("bob@example.org")
		session := o.with(o.session(ada))
		session.GET("/accounts/me/keys").JSON(`{"success":true,"data":{"items":[]},"error":null}`)

		made := apptest.Data[plugins.NewKeyData](session.POST("/accounts/me/keys", `{"name":" export ","scopes":["orders.write","orders.read"],"expires_in_days":7}`).
			Status(http.StatusCreated).Header("Cache-Control", "no-store"))
		require.True(t, strings.HasPrefix(made.Token, "pbk_"), made.Token)
		require.Equal(t, now.AddDate(0, 0, 7), made.ExpiresAt.UTC())
		byDefault := apptest.Data[plugins.NewKeyData](session.POST("/accounts/me/keys", `{"name":"second","scopes":["orders.read"]}`).Status(http.StatusCreated))
		require.Equal(t, now.AddDate(0, 0, 90), byDefault.ExpiresAt.UTC())

		clock.Advance(time.Hour)
		o.with(made.Token).GET("/accounts/me/keys").Fails(app.Forbidden, keyRefused) // which is a use
		list := session.GET("/accounts/me/keys").Status(http.StatusOK)
		require.NotContains(t, list.Body, "pbk_")
		items := apptest.Data[plugins.MyKeysData](list).Items
		require.Len(t, items, 2)
		require.Equal(t, byDefault.ID, items[0].ID, "the newest first")
		require.Nil(t, items[0].UsedAt)
		require.Equal(t, now.Add(time.Hour), items[1].UsedAt.UTC())
		items[1].UsedAt, items[1].CreatedAt, items[1].ExpiresAt = nil, time.Time{}, time.Time{}
		require.Equal(t, plugins.MyKeysItem{ID: made.ID, Name: "export", Scopes: []string{"orders.read", "orders.write"}}, items[1])

		o.as(bob).DELETE("/accounts/me/keys/"+made.ID).Fails(app.NotFound, "you have no such key")
		o.as(bob).GET("/accounts/me/keys").JSON(`{"success":true,"data":{"items":[]},"error":null}`)
		session.DELETE("/accounts/me/keys/" + made.ID).Status(http.StatusNoContent)
		session.DELETE("/accounts/me/keys/"+made.ID).Fails(app.NotFound, "you have no such key")
		o.with(made.Token).GET("/accounts/me/keys").Status(http.StatusUnauthorized)
		session.DELETE("/accounts/me/keys/all").Status(http.StatusUnprocessableEntity)
	})
}

func TestNewKeyIsRefused(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		o.role("clerk", "orders.read", "orders.gone")
		ada := o.user("ada@example.org", "clerk")
		session, before := o.with(o.session(ada)), o.rights()
		for body, want := range map[string]string{
			`{"name":"k","scopes":["orders.write"]}`:                               `{"success":false,"data":null,"error":"you do not have the permission orders.write yourself","code":"forbidden"}`,
			`{"name":"k","scopes":["orders.read","*"]}`:                            `"field":"scopes.1","rule":"permission","message":"must be a permission of this service"`,
			`{"name":"k","scopes":["orders.gone"]}`:                                `"field":"scopes.0","rule":"permission"`,
			`{"name":"k","scopes":["orders.read orders.write"]}`:                   `"field":"scopes.0","rule":"permission"`,
			`{"name":"k","scopes":[]}`:                                             `"field":"scopes"`,
			`{"name":"k"}`:                                                         `"field":"scopes"`,
			`{"name":"k","scopes":["orders.read","orders.read"]}`:                  `"field":"scopes","rule":"unique"`,
			`{"name":" ","scopes":["orders.read"]}`:                                `"field":"name"`,
			`{"name":"k","scopes":["orders.read"],"expires_in_days":0}`:            `"field":"expires_in_days"`,
			`{"name":"k","scopes":["orders.read"],"expires_in_days":366}`:          `"field":"expires_in_days"`,
			`{"name":"` + strings.Repeat("k", 101) + `","scopes":["orders.read"]}`: `"field":"name"`,
		} {
			require.Contains(t, session.POST("/accounts/me/keys", body).Body, want, body)
		}
		const body = `{"name":"k","scopes":["orders.read"]}`
		o.POST("/accounts/me/keys", body).Fails(app.Unauthorized, notSignedIn)
		o.as(nobody, "orders.read").POST("/accounts/me/keys", body).Fails(app.NotFound, "there is no such user")
		o.SignedIn(app.Principal{ID: ada, Permissions: []string{"orders.read"}, SignedInAt: time.Now().Add(-11 * time.Minute)}).
			POST("/accounts/me/keys", body).Fails(app.Unauthorized, stale)
		require.Equal(t, before, o.rights())
	})
}

// A key must make no other key, nor see or end what its owner has, whatever its scopes are.
func TestAKeyIsNoSession(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		ada := o.user("ada@example.org", models.Administrator)
		o.session(ada)
		key := o.with(o.key(ada, "*"))
		key.GET("/accounts/users").Status(http.StatusOK)
		before := o.rights()
		key.POST("/accounts/me/keys", `{"name":"k","scopes":["orders.read"]}`).Fails(app.Unauthorized, stale)
		key.PUT("/accounts/roles/clerk", `{"permissions":[]}`).Fails(app.Unauthorized, stale)
		key.DELETE("/accounts/users/"+nobody).Fails(app.Unauthorized, stale)
		key.PUT("/accounts/users/"+ada+"/roles", `{"roles":[]}`).Fails(app.Unauthorized, stale)
		key.POST("/accounts/invitations", `{"email":"eve@example.org","roles":["administrator"]}`).Fails(app.Unauthorized, stale)
		for _, path := range []string{"/accounts/me/keys", "/accounts/me/sessions", "/accounts/me/sign-ins"} {
			key.GET(path).Fails(app.Forbidden, keyRefused)
		}
		for _, path := range []string{"/accounts/me/keys/" + nobody, "/accounts/me/sessions/" + nobody, "/accounts/me/sessions"} {
			key.DELETE(path).Fails(app.Forbidden, keyRefused)
		}
		require.Equal(t, before, o.rights())
		bob := o.user("bob@example.org")
		o.with(o.key(ada, plugins.ReadUsers)).POST("/accounts/users/"+bob+"/disable", nil).Status(http.StatusForbidden)
		o.with(o.key(ada, plugins.WriteUsers)).POST("/accounts/users/"+bob+"/disable", nil).Status(http.StatusNoContent) // what needs no fresh sign-in
	})
}

func TestMostKeys(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		ada := o.user("ada@example.org")
		var keys []models.Key
		for i := range 99 {
			keys = append(keys, models.Key{
				ID: sessions.NewID(), UserID: ada, Name: "k", Scopes: "orders.read", TokenHash: fmt.Append(nil, i), CreatedAt: time.Now(), ExpiresAt: time.Now(),
			})
		}
		require.NoError(t, o.DB().Create(&keys).Error)
		for round := range 10 {
			codes := make([]int, 6)
			begin := make(chan struct{})
			var wg sync.WaitGroup
			for i := range codes {
				wg.Go(func() {
					<-begin
					codes[i] = o.as(ada, "orders.read").POST("/accounts/me/keys", `{"name":"last","scopes":["orders.read"]}`).Code
				})
			}
			close(begin)
			wg.Wait()
			const created, full = http.StatusCreated, http.StatusConflict
			require.ElementsMatch(t, []int{created, full, full, full, full, full}, codes, round)
			require.NoError(t, o.DB().Where("name = ?", "last").Delete(&models.Key{}).Error)
		}
		o.as(ada, "orders.read").POST("/accounts/me/keys", `{"name":"k","scopes":["orders.read"]}`).Status(http.StatusCreated)
		o.as(ada, "orders.read").POST("/accounts/me/keys", `{"name":"k","scopes":["orders.read"]}`).
			Fails(app.Conflict, "you have 100 keys, which is the most; delete one first")
	})
}
