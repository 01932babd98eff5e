package plugins_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/audit/migrations"
	"plugboard/domains/audit/plugins"
)

func TestRecordProductUpdated(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Announce(plugins.AuditedProductUpdated{})
		h := apptest.New(t, db, app.Migrations(migrations.Files), plugins.RecordProductUpdated, plugins.ListAudit, events)

		events.Publish(t, plugins.AuditedProductUpdated{ID: 7, Name: "Lamp", Price: 39.9})
		h.WaitForEvents()
		page := apptest.Data[plugins.ListAuditData](h.GET("/audit?topic=product.updated"))
		require.Len(t, page.Items, 1)
		require.EqualValues(t, 7, page.Items[0].ProductID)
		require.Equal(t, `product is now "Lamp" at 39.9`, page.Items[0].Summary)
	})
}
