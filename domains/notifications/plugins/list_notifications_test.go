package plugins_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/notifications"
	"plugboard/domains/notifications/plugins"
)

func TestListNotifications(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Announce(plugins.CreatedProduct{})
		h := apptest.New(t, db, notifications.Module, events)
		h.GET("/notifications").Status(http.StatusOK).
			JSON(`{"success":true,"data":{"items":[],"next":null},"error":null}`)
		for id := range int64(3) {
			events.Publish(t, plugins.CreatedProduct{ID: id + 1})
		}
		h.WaitForEvents()

		all := apptest.Data[plugins.ListNotificationsData](h.GET("/notifications?limit=2&total=true"))
		require.Len(t, all.Items, 2)
		require.EqualValues(t, 3, *all.Total)
		one := apptest.Data[plugins.ListNotificationsData](h.GET("/notifications?product_id=2"))
		require.Len(t, one.Items, 1)
		require.EqualValues(t, 2, one.Items[0].ProductID)
		h.GET("/notifications?product_id=0").Fails(app.Invalid, "product_id must be at least 1")
	})
}
