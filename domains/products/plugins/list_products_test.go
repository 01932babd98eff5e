package plugins_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/apptest"
	"plugboard/domains/products"
	"plugboard/domains/products/plugins"
)

func TestListProducts(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := apptest.New(t, db, products.Module)
		h.GET("/products").Status(http.StatusOK).
			JSON(`{"success":true,"data":{"items":[],"next":null},"error":null}`)
		for i, name := range []string{"Desk lamp", "LAMP 100%", "Chair", "Lampshade"} {
			h.POST("/products", fmt.Sprintf(`{"name":%q,"price":%d}`, name, 10-i)).Status(http.StatusCreated)
		}

		for query, want := range map[string][]int64{
			"":                        {1, 2, 3, 4},
			"?q=lamp":                 {1, 2, 4},
			"?q=LaMp&sort=-name":      {4, 2, 1},
			"?q=0%25":                 {2},
			"?q=p_":                   {},
			"?sort=price&limit=2":     {4, 3},
			"?sort=-id&limit=2":       {4, 3},
			"?limit=2&offset=3":       {4},
			"?sort=price&offset=9999": {},
		} {
			ids := []int64{}
			for _, item := range apptest.Data[plugins.ListProductsData](h.GET("/products" + query).Status(http.StatusOK)).Items {
				ids = append(ids, item.ID)
			}
			if query == "?q=LaMp&sort=-name" {
				require.ElementsMatch(t, want, ids, query) // the databases sort capitals differently
				continue
			}
			require.Equal(t, want, ids, query)
		}
		require.EqualValues(t, 3, *apptest.Data[plugins.ListProductsData](h.GET("/products?q=lamp&limit=1&total=true")).Total)

		for _, query := range []string{"?limit=0", "?limit=101", "?limit=x", "?offset=-1", "?offset=10001", "?q=x", "?cursor=x", "?sort=secret", "?sort=name%20desc"} {
			h.GET("/products" + query).Status(http.StatusUnprocessableEntity)
		}
	})
}
