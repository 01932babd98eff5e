package plugins_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/audit/migrations"
	"plugboard/domains/audit/plugins"
)

func TestRecordNotificationStored(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Announce(plugins.AuditedNotificationStored{})
		h := apptest.New(t, db, app.Migrations(migrations.Files), plugins.RecordNotificationStored, plugins.ListAudit, events)

		events.Publish(t, plugins.AuditedNotificationStored{ID: 3, ProductID: 7, About: "product.created"})
		h.WaitForEvents()
		page := apptest.Data[plugins.ListAuditData](h.GET("/audit?topic=notification.stored"))
		require.Len(t, page.Items, 1)
		require.EqualValues(t, 7, page.Items[0].ProductID)
		require.Equal(t, `notification 3 of product.created was stored`, page.Items[0].Summary)
	})
}
