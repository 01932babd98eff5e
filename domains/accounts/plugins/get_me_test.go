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

// What a role lets its users do counts from their next request on, and no longer than the role has it.
func TestGetMeTellsThePermissions(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		id := h.register("ada@example.org")
		ada, _ := h.signIn("ada@example.org", goodPassword)
		permissions := func() []string {
			return apptest.Data[plugins.GetMeData](ada.GET("/accounts/me").Status(http.StatusOK)).Permissions
		}
		require.Equal(t, []string{}, permissions())
		require.NoError(t, h.DB().Create(&[]models.Role{{Name: "clerk", Permissions: "orders.read orders.write"}, {Name: "reader", Permissions: "orders.read"}}).Error)
		require.NoError(t, h.DB().Create(&[]models.UserRole{{UserID: id, Role: "clerk"}, {UserID: id, Role: "reader"}}).Error)
		require.Equal(t, []string{"orders.read", "orders.write"}, permissions())
		require.NoError(t, h.DB().Where("role = ?", "clerk").Delete(&models.UserRole{}).Error)
		require.Equal(t, []string{"orders.read"}, permissions())
		require.NoError(t, h.DB().Where("id = ?", id).Delete(&models.User{}).Error)
		refused(t, ada)
		h.SignedIn(app.Principal{ID: "gone"}).GET("/accounts/me").Fails(app.NotFound, "there is no such user")
	})
}
