package plugins_test

import (
	"net/http"
	"testing"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/products"
)

func TestGetProduct(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := apptest.New(t, db, products.Module)
		h.POST("/products", `{"name":"Desk lamp","price":49.9}`).Status(http.StatusCreated)

		h.GET("/products/1").Status(http.StatusOK).
			JSON(`{"success":true,"data":{"id":1,"name":"Desk lamp","price":49.9},"error":null}`)
		h.GET("/products/2").Fails(app.NotFound, "product 2 does not exist")
		h.GET("/products/0").Fails(app.Invalid, "id must be at least 1")
	})
}
