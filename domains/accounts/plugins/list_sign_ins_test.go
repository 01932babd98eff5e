package plugins_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/sessions"
)

func TestListSignIns(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		ada, bob := o.user("ada@example.org"), o.user("bob@example.org")
		at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
		var ids []string
		for i, userID := range []string{ada, ada, bob, "", ada} {
			entry := models.SignIn{
				ID: sessions.NewID(), UserID: userID, Outcome: models.WrongPassword, Method: "password", Address: "192.0.2.7", UserAgent: "Mozilla/5.0",
				RequestID: "r", At: at.Add(time.Duration(i) * time.Minute),
			}
			require.NoError(t, o.DB().Create(&entry).Error)
			ids = append(ids, entry.ID)
		}
		reader := o.as(nobody, plugins.ReadUsers)
		for _, list := range []struct {
			by   *apptest.App
			path string
		}{{reader, "/accounts/users/" + ada + "/sign-ins"}, {o.as(ada), "/accounts/me/sign-ins"}} {
			items := apptest.All[plugins.ListSignInsItem](list.by, list.path+"?limit=2")
			require.Equal(t, []string{ids[4], ids[1], ids[0]}, []string{items[0].ID, items[1].ID, items[2].ID}, "the latest first")
			require.Len(t, items, 3)
			items[0].At = items[0].At.UTC()
			require.Equal(t, plugins.ListSignInsItem{
				ID: ids[4], Outcome: "wrong password", Method: "password", Address: "192.0.2.7", UserAgent: "Mozilla/5.0", At: at.Add(4 * time.Minute),
			}, items[0])
		}
		require.Len(t, apptest.All[plugins.ListSignInsItem](o.as(bob), "/accounts/me/sign-ins"), 1)
		require.Empty(t, apptest.All[plugins.ListSignInsItem](o.as(nobody), "/accounts/me/sign-ins"))

		reader.GET("/accounts/users/"+nobody+"/sign-ins").Fails(app.NotFound, "there is no such user")
		reader.GET("/accounts/users/1/sign-ins").Status(http.StatusUnprocessableEntity)
		o.as(bob).GET("/accounts/users/"+bob+"/sign-ins").Fails(app.Forbidden, "this needs the permission accounts.read_users")
		o.GET("/accounts/users/"+bob+"/sign-ins").Fails(app.Unauthorized, notSignedIn)
		o.GET("/accounts/me/sign-ins").Fails(app.Unauthorized, notSignedIn)
	})
}
