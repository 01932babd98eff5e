package clients_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// openAndClose is a script that opens an operation, and closes it when all of it is there: Swagger UI draws all open ones again whenever one
// is opened, so that it takes minutes to have all of them open.
const openAndClose = `(async id => {
	const operation = document.getElementById(id)
	const drawn = is => new Promise(done => {
		const look = () => !!operation.querySelector(".responses-table") === is ? done() : requestAnimationFrame(look)
		look()
	})
	operation.querySelector(".opblock-summary-control").click()
	await drawn(true)
	operation.querySelector(".opblock-summary-control").click()
	await drawn(false)
})(%q)`

// Swagger UI at /docs shows what there is and makes a real request, with nothing from elsewhere and within the page's
// Content-Security-Policy.
func TestDocsPageInABrowser(t *testing.T) {
	t.Parallel()
	page := openTab(t)
	address := start(t)

	const post = `.opblock-post[id*="create_product"]`
	page.open(address + "/docs/")
	page.await(post)
	require.Equal(t, []string{"Accounts", "Audit", "Images", "Notifications", "Products"}, page.texts(`h3.opblock-tag > a`))
	operations := page.texts(`.opblock-summary`)
	require.Contains(t, operations, "POST /products Create a product")
	require.Contains(t, operations, "PATCH /products/{id} Change a product")
	page.shoot("docs", "#swagger-ui")

	page.click(post + ` .opblock-summary-control`)
	page.click(post + ` .opblock-section-request-body .tab li:nth-child(2) button`)
	request := page.text(post + ` .opblock-section-request-body .json-schema-2020-12`)
	for _, want := range []string{"CreateProductRequest", "name", "string[1, 200] characters", "price", "number(0, 1000000000]", "double"} {
		require.Contains(t, request, want)
	}
	page.click(post + ` .response[data-code="201"] .tab li:nth-child(2) button`)
	response := page.text(post + ` .response[data-code="201"] .json-schema-2020-12`)
	for _, want := range []string{"data", "id", "integerint64", "error", "null", "success", "boolean"} {
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

	page.click(post + ` .opblock-summary-control`)
	ids := do(page, "list operations", chromedp.Evaluate[[]string](`[...document.querySelectorAll(".opblock")].map(e => e.id)`))
	require.Len(t, ids, len(operations))
	for _, id := range ids {
		do(page, "open and close "+id, chromedp.Evaluate[any](fmt.Sprintf(openAndClose, id), chromedp.EvalAwaitPromise))
	}

	requests, problems := page.noticed(address)
	require.Empty(t, problems)
	require.Greater(t, requests, 4) // the page, its style, its scripts, the description, the product
}

// The page shows unusual requests and answers as they are, also behind a proxy that puts a prefix before all paths, and its
// requests find the service there.
func TestDocsPageOfOddShapesBehindAPrefix(t *testing.T) {
	t.Parallel()
	page := openTab(t)
	address := proxy(t, run(t, build(t, "oddshapes_main.go")))
	page.open(address + "/docs")
	page.await(`[id$=".maps"]`)

	for name, want := range map[string]struct{ request, answer []string }{
		"maps":          {[]string{"texts", "structs", "Additional properties"}, []string{"texts"}},
		"decimals":      {[]string{"one", "string", "string | null"}, []string{"one", "string", "array<string | null>"}},
		"exact_numbers": {[]string{"number", "array<number>"}, []string{"number"}},
		"embedded":      {[]string{"middle", "boolean", "note"}, []string{"x", "y"}},
		"enums":         {[]string{"Enum"}, []string{"list"}},
	} {
		operation := `[id$=".` + name + `"]`
		page.click(operation + ` .opblock-summary-control`)
		page.click(operation + ` .opblock-section-request-body .tab li:nth-child(2) button`)
		request := page.text(operation + ` .opblock-section-request-body .json-schema-2020-12`)
		page.click(operation + ` .response[data-code="200"] .tab li:nth-child(2) button`)
		answer := page.text(operation + ` .response[data-code="200"] .json-schema-2020-12`)
		for _, text := range want.request {
			require.Contains(t, request, text, name)
		}
		for _, text := range want.answer {
			require.Contains(t, answer, text, name)
		}
		page.shoot("docs-odd-"+name, operation)
	}

	const get = `[id$=".texts"]`
	page.click(get + ` .opblock-summary-control`)
	page.click(get + ` .try-out__btn`)
	page.click(get + ` .execute`)
	require.Equal(t, "200", page.text(get+` .live-responses-table .response .response-col_status`))
	require.Contains(t, page.text(get+` .request-url`), address+"/odd/texts")
}
