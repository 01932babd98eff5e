package plugins_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/products"
	"plugboard/domains/products/plugins"
)

func TestDeleteProduct(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		deleted := apptest.Record[plugins.ProductDeleted]()
		h := apptest.New(t, db, products.Module, deleted)
		h.POST("/products", `{"name":"Desk lamp","price":49.9}`).Status(http.StatusCreated)

		h.DELETE("/products/1").Status(http.StatusOK).JSON(`{"success":true,"data":{"id":1},"error":null}`)
		h.DELETE("/products/1").Fails(app.NotFound, "product 1 does not exist")
		h.GET("/products/1").Fails(app.NotFound, "product 1 does not exist")

		h.WaitForEvents()
		require.Equal(t, []plugins.ProductDeleted{{ID: 1, Name: "Desk lamp"}}, deleted.Events())
		require.Equal(t, "1", deleted.Events()[0].Key())
	})
}
