package plugins_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/products"
	"plugboard/domains/products/models"
	"plugboard/domains/products/plugins"
)

func TestCreateProduct(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		created := apptest.Record[plugins.ProductCreated]()
		h := apptest.New(t, db, products.Module, created)

		h.POST("/products", `{"name":"Desk lamp","price":49.9}`).Status(http.StatusCreated).Header("Location", "/products/1").
			JSON(`{"success":true,"data":{"id":1,"name":"Desk lamp","price":49.9},"error":null}`)
		h.POST("/products", `{"name":"Desk lamp","price":1}`).
			Fails(app.Conflict, `a product named "Desk lamp" already exists`)

		h.WaitForEvents()
		require.Equal(t, []plugins.ProductCreated{{ID: 1, Name: "Desk lamp", Price: 49.9}}, created.Events())
		require.Equal(t, "1", created.Events()[0].Key())
	})
}

func TestCreateProductRefuses(t *testing.T) {
	t.Parallel()
	h := apptest.New(t, products.Module)
	for body, message := range map[string]string{
		`{"price":1}`:                        "name is required",
		`{"name":"  ","price":1}`:            "name must not be blank",
		`{"name":"Lamp"}`:                    "price is required",
		`{"name":"Lamp","price":-1}`:         "price must be greater than 0",
		`{"name":"Lamp","price":1000000001}`: "price must be at most 1000000000",
	} {
		h.POST("/products", body).Fails(app.Invalid, message)
	}
	h.POST("/products", `{"name":"   ","price":1}`).Status(http.StatusUnprocessableEntity)
	h.POST("/products", `{"name":"Lamp","price":1e999}`).Status(http.StatusUnprocessableEntity)
}

// The plugin is made by hand here, as the page's reader would: no Fx, no HTTP.
func TestCreateProductStoresNothingWithoutItsEvent(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		bus, handle := &apptest.Bus{}, db.Open(t, products.Module)
		plugin := plugins.NewCreateProductPlugin(handle, bus, apptest.Logger(t))
		ctx := apptest.Context(t)

		bus.Fail(errors.New("no bus today"))
		_, err := plugin.Execute(ctx, plugins.CreateProductRequest{Name: "Lamp", Price: 1})
		require.EqualError(t, err, "create product: no bus today")
		var count int64
		require.NoError(t, handle.WithContext(ctx).Model(&models.Product{}).Count(&count).Error)
		require.Zero(t, count)

		bus.Fail(nil)
		data, err := plugin.Execute(ctx, plugins.CreateProductRequest{Name: "Lamp", Price: 1})
		require.NoError(t, err)
		require.Equal(t, []plugins.ProductCreated{{ID: data.ID, Name: "Lamp", Price: 1}}, apptest.Published[plugins.ProductCreated](t, bus))
	})
}
