package plugins_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/sessions"
)

func TestMySessions(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		ada, bob := o.user("ada@example.org"), o.user("bob@example.org")
		first, second, third, bobs := o.with(o.session(ada)), o.with(o.session(ada)), o.with(o.session(ada)), o.with(o.session(bob))

		items := apptest.Data[plugins.MySessionsData](second.GET("/accounts/me/sessions").Status(http.StatusOK)).Items
		require.Len(t, items, 3)
		require.Equal(t, []bool{false, true, false}, []bool{items[0].Current, items[1].Current, items[2].Current})
		require.WithinDuration(t, time.Now().Add(720*time.Hour), items[0].ExpiresAt, time.Minute)
		item := items[1]
		item.SignedInAt, item.UsedAt, item.ExpiresAt = time.Time{}, time.Time{}, time.Time{}
		require.Equal(t, plugins.MySessionsItem{ID: items[1].ID, Current: true, Address: "192.0.2.7", UserAgent: "Mozilla/5.0"}, item)

		bobs.DELETE("/accounts/me/sessions/"+items[0].ID).Fails(app.NotFound, "you have no such session")
		third.GET("/accounts/me/sessions").Status(http.StatusOK)
		gone := second.DELETE("/accounts/me/sessions/" + items[0].ID).Status(http.StatusNoContent)
		require.Empty(t, gone.Head.Values("Set-Cookie"))
		second.DELETE("/accounts/me/sessions/"+items[0].ID).Fails(app.NotFound, "you have no such session")
		third.GET("/accounts/me/sessions").Status(http.StatusUnauthorized)

		second.DELETE("/accounts/me/sessions").Status(http.StatusNoContent)
		first.GET("/accounts/me/sessions").Status(http.StatusUnauthorized)
		require.Len(t, apptest.Data[plugins.MySessionsData](second.GET("/accounts/me/sessions")).Items, 1)
		own := second.DELETE("/accounts/me/sessions/" + items[1].ID).Status(http.StatusNoContent)
		require.Contains(t, own.Head.Get("Set-Cookie"), sessions.SessionCookie+"=;")
		second.GET("/accounts/me/sessions").Status(http.StatusUnauthorized)
		bobs.GET("/accounts/me/sessions").Status(http.StatusOK)

		o.GET("/accounts/me/sessions").Fails(app.Unauthorized, notSignedIn)
		bobs.DELETE("/accounts/me/sessions/1").Status(http.StatusUnprocessableEntity)
	})
}

// Somebody whom another authenticator knows has no session here that could be the current one: all end.
func TestMySessionsWithoutOne(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		ada := o.user("ada@example.org")
		session := o.with(o.session(ada))
		require.False(t, apptest.Data[plugins.MySessionsData](o.as(ada).GET("/accounts/me/sessions")).Items[0].Current)
		o.as(ada).DELETE("/accounts/me/sessions").Status(http.StatusNoContent)
		session.GET("/accounts/me/sessions").Status(http.StatusUnauthorized)
	})
}
