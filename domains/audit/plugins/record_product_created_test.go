package plugins_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/audit"
	"plugboard/domains/audit/migrations"
	"plugboard/domains/audit/models"
	"plugboard/domains/audit/plugins"
)

func TestRecordProductCreated(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Announce(plugins.AuditedProductCreated{})
		h := apptest.New(t, db, app.Migrations(migrations.Files), plugins.RecordProductCreated, plugins.ListAudit, events)

		events.Publish(t, plugins.AuditedProductCreated{ID: 7, Name: "Desk lamp", Price: 49.9})
		h.WaitForEvents()
		page := apptest.Data[plugins.ListAuditData](h.GET("/audit"))
		require.Len(t, page.Items, 1)
		entry := page.Items[0]
		require.NotEmpty(t, entry.EventID)
		require.WithinDuration(t, time.Now(), entry.OccurredAt, time.Minute)
		require.False(t, entry.RecordedAt.Before(entry.OccurredAt.Truncate(time.Millisecond)))
		entry.EventID, entry.OccurredAt, entry.RecordedAt = "", time.Time{}, time.Time{}
		require.Equal(t, plugins.ListAuditItem{
			ID: 1, Topic: "product.created", ProductID: 7, Summary: `product "Desk lamp" was created at 49.9`,
			Emitter: "apptest.publish", RequestID: "test",
		}, entry)
	})
}

// An event may arrive again, after a crash; it is recorded once, with what it came with the first time.
func TestRecordProductCreatedOnce(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		handle := db.Open(t, audit.Module)
		plugin := plugins.NewRecordProductCreatedPlugin(handle)
		delivery := app.Delivery{
			EventID: "0198c0de-0000-7000-8000-000000000002", Parent: "0198c0de-0000-7000-8000-000000000001",
			Topic: "product.created", RequestID: "order-7", Principal: "ann", Emitter: "products.create_product",
		}
		ctx := apptest.DeliveryContext(t, delivery)

		require.NoError(t, plugin.Execute(ctx, plugins.AuditedProductCreated{ID: 7}))
		require.NoError(t, plugin.Execute(ctx, plugins.AuditedProductCreated{ID: 7}))
		var stored []models.Entry
		require.NoError(t, handle.WithContext(ctx).Find(&stored).Error)
		require.Len(t, stored, 1)
		require.Equal(t, delivery.EventID, stored[0].EventID)
		require.Equal(t, delivery.Parent, stored[0].ParentEventID)
		require.Equal(t, delivery.RequestID, stored[0].RequestID)
		require.Equal(t, delivery.Principal, stored[0].Principal)

		require.True(t, app.IsPermanent(plugin.Execute(apptest.Context(t), plugins.AuditedProductCreated{ID: 7})), "outside a delivery")
	})
}
