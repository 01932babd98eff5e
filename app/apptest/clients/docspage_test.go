package clients_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Swagger UI at /docs shows what there is and makes a real request, with nothing from elsewhere and within the page's
// Content-Security-Policy.
func TestDocsPageInABrowser(t *testing.T) {
	t.Parallel()
	page := openTab(t)
	address := start(t)

	const post = `.opblock-post[id*="create_product"]`
	page.open(address + "/docs/")
	page.await(post)
	require.Equal(t, []string{"Audit", "Images", "Notifications", "Products"}, page.texts(`h3.opblock-tag`))
	operations := page.texts(`.opblock-summary`)
	require.Contains(t, operations, "POST /products Create a product")
	require.Contains(t, operations, "PATCH /products/{id} Change a product")
	page.shoot("docs", "#swagger-ui")

	page.click(post + ` .opblock-summary-control`)
	page.click(post + ` .opblock-section-request-body .tab li:nth-child(2) button`)
	require.Equal(t, "CreateProductRequest{ name* string example: Desk lamp maxLength: 200 minLength: 1 "+
		"price* number($double) example: 49.9 exclusiveMinimum: true maximum: 1000000000 minimum: 0 }",
		page.text(post+` .opblock-section-request-body .model-box`))
	page.click(post + ` .response[data-code="201"] .tab li:nth-child(2) button`)
	response := page.text(post + ` .response[data-code="201"] .model-box`)
	for _, want := range []string{
		"CreateProductResponse{ data* {", "id* integer($int64)", "name* string", "price* number($double)", "error* string", "nullable: true", "success* boolean",
	} {
		require.Contains(t, response, want)
	}
	require.Contains(t, page.text(post+` .response[data-code="409"] .example`), `"code": "conflict"`)
	page.shoot("docs-operation", post)

	page.click(post + ` .opblock-section-request-body .tab li:nth-child(1) button`)
	page.click(post + ` .try-out__btn`)
	page.click(post + ` .execute`)
	require.Equal(t, "201", page.text(post+` .live-responses-table .response .response-col_status`))
	require.Contains(t, page.text(post+` .live-responses-table .response .highlight-code`), `"data": { "id": 1, "name": "Desk lamp", "price": 49.9 }`)
	page.shoot("docs-answer", post+` .responses-wrapper`)

	answer, err := http.Get(address + "/products/1")
	require.NoError(t, err)
	defer answer.Body.Close()
	var product struct{ Data map[string]any }
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&product))
	require.Equal(t, map[string]any{"id": 1.0, "name": "Desk lamp", "price": 49.9}, product.Data)

	page.clickAll(`.opblock:not(.is-open) .opblock-summary-control`)
	page.await(`.opblock[id*="update_product"].is-open .responses-table`) // the last one
	require.Len(t, page.texts(`.opblock.is-open`), len(operations))

	requests, problems := page.noticed(address)
	require.Empty(t, problems)
	require.Greater(t, requests, 4) // the page, its style, its scripts, the description, the product
}
