package plugins_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/notifications"
	"plugboard/domains/notifications/models"
	"plugboard/domains/notifications/plugins"
)

func TestStoreNotification(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Announce(plugins.CreatedProduct{})
		noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
		stored := apptest.Record[plugins.NotificationStored]()
		h := apptest.New(t, db, notifications.Module, events, stored, apptest.NewClock(noon))

		events.Publish(t, plugins.CreatedProduct{ID: 7})
		h.WaitForEvents()
		h.GET("/notifications").JSON(`{"success":true,"data":{"items":[` +
			`{"id":1,"topic":"product.created","product_id":7,"created_at":"2026-01-31T12:00:00Z"}` +
			`],"next":null},"error":null}`)
		require.Equal(t, []plugins.NotificationStored{{ID: 1, ProductID: 7, About: "product.created"}}, stored.Events())
		require.Equal(t, "7", stored.Events()[0].Key())
	})
}

// A notification that cannot be announced is not stored.
func TestStoreNotificationStoresNothingWithoutItsEvent(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		handle, bus := db.Open(t, notifications.Module), &apptest.Bus{}
		plugin := plugins.NewStoreNotificationPlugin(handle, bus)
		ctx := apptest.DeliveryContext(t, app.Delivery{EventID: "0198c0de-0000-7000-8000-000000000001", Topic: "product.created"})

		bus.Fail(errors.New("no bus today"))
		err := app.InTx(ctx, handle, func(ctx context.Context) error { return plugin.Execute(ctx, plugins.CreatedProduct{ID: 7}) })
		require.EqualError(t, err, "no bus today")
		var count int64
		require.NoError(t, handle.WithContext(ctx).Model(&models.Notification{}).Count(&count).Error)
		require.Zero(t, count)
	})
}

// An event may arrive again, after a crash; it is noted once.
func TestStoreNotificationOnce(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		handle := db.Open(t, notifications.Module)
		bus := &apptest.Bus{}
		plugin := plugins.NewStoreNotificationPlugin(handle, bus)
		delivery := app.Delivery{EventID: "0198c0de-0000-7000-8000-000000000001", Topic: "product.created"}
		ctx := apptest.DeliveryContext(t, delivery)

		require.NoError(t, plugin.Execute(ctx, plugins.CreatedProduct{ID: 7}))
		require.NoError(t, plugin.Execute(ctx, plugins.CreatedProduct{ID: 7}))
		var stored []models.Notification
		require.NoError(t, handle.WithContext(ctx).Find(&stored).Error)
		require.Len(t, stored, 1)
		require.Equal(t, delivery.EventID, stored[0].EventID)
		require.Equal(t, []plugins.NotificationStored{{ID: stored[0].ID, ProductID: 7, About: "product.created"}},
			apptest.Published[plugins.NotificationStored](t, bus))

		require.True(t, app.IsPermanent(plugin.Execute(apptest.Context(t), plugins.CreatedProduct{ID: 7})), "outside a delivery")
	})
}
