package plugins_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/audit/migrations"
	"plugboard/domains/audit/plugins"
)

func TestRecordProductDeleted(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Announce(plugins.AuditedProductDeleted{})
		h := apptest.New(t, db, app.Migrations(migrations.Files), plugins.RecordProductDeleted, plugins.ListAudit, events)

		events.Publish(t, plugins.AuditedProductDeleted{ID: 7, Name: "Lamp"})
		h.WaitForEvents()
		page := apptest.Data[plugins.ListAuditData](h.GET("/audit?topic=product.deleted"))
		require.Len(t, page.Items, 1)
		require.EqualValues(t, 7, page.Items[0].ProductID)
		require.Equal(t, `product "Lamp" was deleted`, page.Items[0].Summary)
	})
}
