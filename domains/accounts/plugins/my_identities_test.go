package plugins_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
)

// A user sees which accounts of providers are linked to theirs, and unlinks one that somebody else has linked.
func TestMyIdentities(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		ada, bob := h.member("ada@example.org"), h.member("bob@example.org", models.Administrator)
		for subject, user := range map[string]string{"ada": ada, "mallory": ada, "bob": bob} {
			require.NoError(t, h.DB().Create(&models.Identity{Issuer: "https://id.example", Subject: subject, UserID: user, CreatedAt: begin}).Error)
		}
		list := func(as *apptest.App) (subjects []string) {
			for _, item := range apptest.Data[plugins.MyIdentitiesData](as.GET("/accounts/me/identities").Status(http.StatusOK)).Items {
				require.Equal(t, []any{"https://id.example", begin}, []any{item.Issuer, item.CreatedAt.UTC()})
				subjects = append(subjects, item.Subject)
			}
			return subjects
		}
		require.Equal(t, []string{"ada", "mallory"}, list(h.as(ada)))
		h.GET("/accounts/me/identities").Fails(app.Unauthorized, notSignedIn)
		h.DELETE("/accounts/me/identities").Fails(app.Unauthorized, notSignedIn)
		_, key, err := store(t, h).NewKey(apptest.Context(t), models.Key{UserID: ada, Name: "k", Scopes: "*", ExpiresAt: begin.AddDate(1, 0, 0)})
		require.NoError(t, err)
		h.with(key).DELETE("/accounts/me/identities").Fails(app.Forbidden, keyRefused)
		h.as(ada).DELETE("/accounts/me/identities").Status(http.StatusNoContent)
		h.as(ada).GET("/accounts/me/identities").JSON(`{"success":true,"data":{"items":[]},"error":null}`)
		require.Equal(t, []string{"bob"}, list(h.as(bob)))
	})
}
