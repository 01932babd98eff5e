package plugins_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/products"
	"plugboard/domains/products/plugins"
)

func TestUpdateProduct(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		updated := apptest.Record[plugins.ProductUpdated]()
		h := apptest.New(t, db, products.Module, updated)
		h.POST("/products", `{"name":"Desk lamp","price":49.9}`).Status(http.StatusCreated)
		h.POST("/products", `{"name":"Chair","price":5}`).Status(http.StatusCreated)

		h.PATCH("/products/1", `{"price":39.9}`).Status(http.StatusOK).
			JSON(`{"success":true,"data":{"id":1,"name":"Desk lamp","price":39.9},"error":null}`)
		h.PATCH("/products/1", `{"name":"Lamp"}`).Status(http.StatusOK).
			JSON(`{"success":true,"data":{"id":1,"name":"Lamp","price":39.9},"error":null}`)
		h.PATCH("/products/1", `{}`).Status(http.StatusOK).
			JSON(`{"success":true,"data":{"id":1,"name":"Lamp","price":39.9},"error":null}`)

		h.PATCH("/products/1", `{"name":"Chair"}`).Fails(app.Conflict, `a product named "Chair" already exists`)
		h.PATCH("/products/9", `{"name":"Stool"}`).Fails(app.NotFound, "product 9 does not exist")
		h.PATCH("/products/9", `{}`).Fails(app.NotFound, "product 9 does not exist")
		h.PATCH("/products/1", `{"price":0}`).Fails(app.Invalid, "price must be greater than 0")
		h.PATCH("/products/1", `{"name":" "}`).Fails(app.Invalid, "name must not be blank")
		h.PATCH("/products/1", `{"name":null}`).Status(http.StatusUnprocessableEntity)

		h.WaitForEvents()
		require.Equal(t, []plugins.ProductUpdated{{ID: 1, Name: "Desk lamp", Price: 39.9}, {ID: 1, Name: "Lamp", Price: 39.9}}, updated.Events())
		require.Equal(t, "1", updated.Events()[0].Key())
	})
}

// Two callers who each change one member must not write back what they read of the other.
func TestUpdateProductLosesNoUpdate(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := apptest.New(t, db, products.Module)
		h.POST("/products", `{"name":"0","price":1}`).Status(http.StatusCreated)
		for round := 1; round <= 20; round++ {
			var both sync.WaitGroup
			for _, member := range []string{`{"name":"%d"}`, `{"price":%d}`} {
				both.Go(func() { h.PATCH("/products/1", fmt.Sprintf(member, round)) })
			}
			both.Wait()
			h.GET("/products/1").JSON(fmt.Sprintf(`{"success":true,"data":{"id":1,"name":"%d","price":%d},"error":null}`, round, round))
		}
	})
}
