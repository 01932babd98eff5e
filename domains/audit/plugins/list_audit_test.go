package plugins_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/audit/migrations"
	"plugboard/domains/audit/plugins"
)

func TestListAudit(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Announce(plugins.AuditedProductCreated{}, plugins.AuditedProductDeleted{})
		h := apptest.New(t, db, app.Migrations(migrations.Files), plugins.RecordProductCreated, plugins.RecordProductDeleted, plugins.ListAudit, events)
		h.GET("/audit").Status(http.StatusOK).
			JSON(`{"success":true,"data":{"items":[],"next":null},"error":null}`)
		for id := range int64(3) {
			events.Publish(t, plugins.AuditedProductCreated{ID: id + 1})
		}
		h.WaitForEvents()
		events.Publish(t, plugins.AuditedProductDeleted{ID: 2})
		h.WaitForEvents()

		for query, want := range map[string][2]int64{ // items on the page, items in all
			"?total=true":                                    {4, 4},
			"?total=true&limit=2":                            {2, 4},
			"?total=true&limit=2&offset=3":                   {1, 4},
			"?total=true&product_id=2":                       {2, 2},
			"?total=true&topic=product.created":              {3, 3},
			"?total=true&topic=product.deleted&product_id=2": {1, 1},
			"?total=true&topic=product.deleted&product_id=1": {0, 0},
			"?total=true&topic=product":                      {0, 0},
		} {
			page := apptest.Data[plugins.ListAuditData](h.GET("/audit" + query))
			require.Equal(t, want, [2]int64{int64(len(page.Items)), *page.Total}, query)
		}
		h.GET("/audit?principal=ann").JSON(`{"success":true,"data":{"items":[],"next":null},"error":null}`)
		last := apptest.Data[plugins.ListAuditData](h.GET("/audit?product_id=2")).Items[1]
		require.Equal(t, "product.deleted", last.Topic)
		h.GET("/audit?product_id=0").Fails(app.Invalid, "product_id must be at least 1")
	})
}
