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
)

func TestListUsers(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		o.role("clerk", "orders.read")
		o.role("archive", "orders.read")
		ada, bob, eve := o.user("ada@example.org", "clerk", "archive"), o.user("bob@example.org", models.Administrator), o.user("a_a%@example.org", "clerk")
		require.NoError(t, o.DB().Model(&models.User{}).Where("id = ?", bob).Update("disabled_at", time.Now()).Error)
		reader := o.as(nobody, plugins.ReadUsers)

		all := reader.GET("/accounts/users?total=true").Status(http.StatusOK)
		require.NotContains(t, all.Body, "hash")
		page := apptest.Data[plugins.ListUsersData](all)
		require.EqualValues(t, 3, *page.Total)
		first := page.Items[0]
		require.WithinDuration(t, time.Now(), first.CreatedAt, time.Minute)
		first.CreatedAt = time.Time{}
		require.Equal(t, plugins.ListUsersItem{ID: ada, Email: "ada@example.org", Name: "somebody", Roles: []string{"archive", "clerk"}}, first)
		require.NotNil(t, page.Items[1].DisabledAt)

		for query, want := range map[string][]string{
			"":                                  {ada, bob, eve},
			"sort=-id&limit=1":                  {eve, bob, ada},
			"sort=email&limit=1":                {eve, ada, bob},
			"sort=-email&limit=2":               {bob, ada, eve},
			"email=ada@":                        {ada},
			"email=ADA@EXAMPLE.org":             {ada},
			"email=example.org":                 nil, // in the middle
			"email=a_":                          {eve},
			"email=a_a%25":                      {eve},
			"role=clerk":                        {ada, eve},
			"role=cler":                         nil,
			"disabled=true":                     {bob},
			"disabled=false&limit=1":            {ada, eve},
			"disabled=false&role=administrator": nil,
			"disabled=false&role=clerk&email=ad&sort=-email": {ada},
		} {
			var ids []string
			for _, item := range apptest.All[plugins.ListUsersItem](reader, "/accounts/users?"+query) {
				ids = append(ids, item.ID)
			}
			require.Equal(t, want, ids, query)
		}
		for _, query := range []string{"email=a", "sort=name", "sort=password_hash", "disabled=maybe", "limit=101"} {
			reader.GET("/accounts/users?" + query).Status(http.StatusUnprocessableEntity)
		}
		o.GET("/accounts/users").Fails(app.Unauthorized, notSignedIn)
		o.as(nobody, plugins.WriteUsers, plugins.WriteRoles).GET("/accounts/users").Fails(app.Forbidden, "this needs the permission accounts.read_users")
	})
}
