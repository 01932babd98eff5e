package plugins_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		ada := o.user("ada@example.org")
		reader := o.as(nobody, plugins.ReadUsers)
		reader.GET("/accounts/permissions").JSON(`{"success":true,"data":{"items":[` +
			`{"name":"accounts.read_users","meaning":"See users"},{"name":"accounts.write_users","meaning":"Manage users"},` +
			`{"name":"accounts.write_roles","meaning":"Change roles"},{"name":"orders.read","meaning":"See orders"},` +
			`{"name":"orders.write","meaning":"Change orders"}]},"error":null}`)

		admin := o.administrator()
		admin.PUT("/accounts/roles/order_clerk-2", `{"permissions":["orders.write","orders.read"]}`).Status(http.StatusCreated).
			JSON(`{"success":true,"data":{"name":"order_clerk-2","permissions":["orders.read","orders.write"]},"error":null}`)
		require.NoError(t, o.DB().Create(&models.UserRole{UserID: ada, Role: "order_clerk-2"}).Error)
		session := o.with(o.session(ada))
		session.POST("/accounts/me/keys", `{"name":"k","scopes":["orders.write"]}`).Status(http.StatusCreated)

		admin.PUT("/accounts/roles/order_clerk-2", `{"permissions":["orders.read"]}`).Status(http.StatusOK)
		session.POST("/accounts/me/keys", `{"name":"k","scopes":["orders.write"]}`).
			Fails(app.Forbidden, "you do not have the permission orders.write yourself")
		admin.PUT("/accounts/roles/nothing", `{"permissions":[]}`).Status(http.StatusCreated)
		reader.GET("/accounts/roles").JSON(`{"success":true,"data":{"items":[{"name":"administrator","permissions":["*"]},` +
			`{"name":"nothing","permissions":[]},{"name":"order_clerk-2","permissions":["orders.read"]}]},"error":null}`)

		admin.DELETE("/accounts/roles/order_clerk-2").Status(http.StatusNoContent)
		admin.DELETE("/accounts/roles/order_clerk-2").Fails(app.NotFound, `there is no role "order_clerk-2"`)
		session.POST("/accounts/me/keys", `{"name":"k","scopes":["orders.read"]}`).Status(http.StatusForbidden)
		var left int64
		require.NoError(t, o.DB().Model(&models.UserRole{}).Count(&left).Error)
		require.Zero(t, left)
	})
}

func TestRolesAreRefused(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		admin, before := o.administrator(), o.rights()
		for _, name := range []string{"Clerk", "a.b", "a%20b", "%C3%A4", strings.Repeat("a", 65)} {
			require.Contains(t, admin.PUT("/accounts/roles/"+name, `{"permissions":[]}`).Status(http.StatusUnprocessableEntity).Body, `"field":"name"`, name)
		}
		for body, want := range map[string]string{
			`{}`: `"field":"permissions","rule":"required"`,
			`{"permissions":["orders.read","orders.all"]}`:  `"field":"permissions.1","rule":"permission","message":"must be a permission of this service"`,
			`{"permissions":["*"]}`:                         `"field":"permissions.0","rule":"permission"`,
			`{"permissions":["orders.read","orders.read"]}`: `"rule":"unique"`,
			`{"permissions":[""]}`:                          `"field":"permissions.0"`,
		} {
			require.Contains(t, admin.PUT("/accounts/roles/clerk", body).Status(http.StatusUnprocessableEntity).Body, want, body)
		}
		const kept = "the role administrator has all permissions, and stays as it is"
		admin.PUT("/accounts/roles/administrator", `{"permissions":["orders.read"]}`).Fails(app.Conflict, kept)
		admin.DELETE("/accounts/roles/administrator").Fails(app.Conflict, kept)

		o.GET("/accounts/roles").Fails(app.Unauthorized, notSignedIn)
		o.GET("/accounts/permissions").Fails(app.Unauthorized, notSignedIn)
		o.PUT("/accounts/roles/clerk", `{"permissions":[]}`).Fails(app.Unauthorized, notSignedIn)
		o.as(nobody).GET("/accounts/roles").Fails(app.Forbidden, "this needs the permission accounts.read_users")
		o.as(nobody).GET("/accounts/permissions").Fails(app.Forbidden, "this needs the permission accounts.read_users")
		helpdesk := o.as(nobody, plugins.ReadUsers, plugins.WriteUsers)
		helpdesk.PUT("/accounts/roles/clerk", `{"permissions":[]}`).Fails(app.Forbidden, "this needs the permission accounts.write_roles")
		helpdesk.DELETE("/accounts/roles/clerk").Fails(app.Forbidden, "this needs the permission accounts.write_roles")
		old := o.SignedIn(app.Principal{ID: nobody, Permissions: []string{"*"}, SignedInAt: time.Now().Add(-11 * time.Minute)})
		old.PUT("/accounts/roles/clerk", `{"permissions":[]}`).Fails(app.Unauthorized, stale)
		old.DELETE("/accounts/roles/clerk").Fails(app.Unauthorized, stale)
		require.Equal(t, before, o.rights())
	})
}

// A role may have permissions of a domain that was removed. They are shown; they let nobody do anything, and somebody who has all permissions can take them
// away. Should the domain come back, they count again, so others can not give them.
func TestARoleWithAPermissionThatNoDomainDeclares(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		o.role("clerk", "orders.read", "lamps.write")
		ada := o.user("ada@example.org", "clerk")
		session := o.with(o.session(ada))
		session.POST("/accounts/me/keys", `{"name":"k","scopes":["lamps.write"]}`).Status(http.StatusUnprocessableEntity)
		require.Contains(t, o.as(nobody, plugins.ReadUsers).GET("/accounts/roles").Body, `{"name":"clerk","permissions":["lamps.write","orders.read"]}`)

		keeper := o.as(nobody, plugins.WriteRoles, plugins.WriteUsers, "orders.read")
		const refused = "the role clerk has the permission lamps.write, which you do not have yourself"
		keeper.PUT("/accounts/roles/clerk", `{"permissions":["orders.read"]}`).Fails(app.Forbidden, refused)
		keeper.PUT("/accounts/users/"+o.user("bob@example.org")+"/roles", `{"roles":["clerk"]}`).Fails(app.Forbidden, refused)
		o.administrator().PUT("/accounts/roles/clerk", `{"permissions":["orders.read"]}`).Status(http.StatusOK)
		keeper.PUT("/accounts/roles/clerk", `{"permissions":[]}`).Status(http.StatusOK)
	})
}

func TestMostRoles(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		var roles []models.Role
		for i := range 199 {
			roles = append(roles, models.Role{Name: fmt.Sprint("role", i)})
		}
		require.NoError(t, o.DB().Create(&roles).Error)
		admin := o.administrator()
		admin.PUT("/accounts/roles/more", `{"permissions":[]}`).Fails(app.Conflict, "there are 200 roles, which is the most; delete one first")
		admin.PUT("/accounts/roles/role7", `{"permissions":["orders.read"]}`).Status(http.StatusOK)
		require.Len(t, apptest.Data[plugins.RolesData](admin.GET("/accounts/roles")).Items, 200)
	})
}
