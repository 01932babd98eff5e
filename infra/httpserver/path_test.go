package httpserver_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

type namedBy struct {
	Name string `uri:"name"`
}

// pathEndpoints answer with the parameter that they got, and say which of them answered.
func pathEndpoints(b *app.Boot) {
	answer := func(route string) app.Handler {
		return app.Handle(func(_ context.Context, req namedBy) (jsonBody, error) { return jsonBody{route + " " + req.Name}, nil })
	}
	b.GET("/names/:name", answer("one"))
	b.GET("/names/:name/orders", answer("orders"))
	b.GET("/files/*name", answer("rest"))
	b.GET("/plain", handle[nothing, app.Empty]())
	b.Raw("GET", "/raw/:name", func(c *gin.Context) { c.String(200, "%s %s", c.Param("name"), c.Request.URL.EscapedPath()) })
}

// "/names/a%2Forders" reached another route, and "/products%2F1" was product 1: the path was decoded before it was cut into
// segments. Encoded names must reach their own route, decoded once.
func TestAPathIsCutBeforeItIsDecoded(t *testing.T) {
	t.Parallel()
	k := serve(t, pathEndpoints)
	const none = `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`
	named := func(name string) string { return `{"success":true,"data":{"name":"` + name + `"},"error":null}` }
	for path, want := range map[string]string{
		"/names/a%2Forders":       named("one a/orders"),
		"/names/a%2forders":       named("one a/orders"),
		"/names/a%2Fb/orders":     named("orders a/b"),
		"/names/a/orders":         named("orders a"),
		"/names%2Fa":              none,
		"/names/a%2F":             named("one a/"),
		"/names/a+b":              named("one a+b"),
		"/names/a%2Bb":            named("one a+b"),
		"/names/a%20b+%2F":        named("one a b+/"),
		"/names/a%2520b":          named("one a%20b"),
		"/names/a%252Forders":     named("one a%2Forders"),
		"/names/%252F%2F":         named("one %2F/"),
		"/names/%3A;,%2F=&@":      named("one :;,/=&@"),
		"/names/%2e%2e":           named("one .."),
		"/names/..%2F..":          named("one ../.."),
		"/%6eames/a":              named("one a"),
		"/n%61mes/%C3%A4%2F":      named("one ä/"),
		"/names/ä\"%2Forders":     named(`one ä\"/orders`),
		"/files/a/b":              named("rest /a/b"),
		"/files/a%2Fb/c+d%252F":   named("rest /a/b/c+d%2F"),
		"/files%2Fa":              none,
		"/raw/a%2Fb+%2525":        "a/b+%25 /raw/a%2Fb+%2525",
		"/raw/a%2fb":              "a/b /raw/a%2fb",
		"/plain%2F":               none,
		"/plain/":                 none,
		"/names//orders":          none,
		"/names/":                 none,
		"/names/%2F%2Forders":     named("one //orders"),
		"/names/a%2Forders%2F":    named("one a/orders/"),
		"/names/a%2Forders/other": none,
	} {
		require.Equal(t, want, k.do("GET", path, "").Body.String(), path)
	}
}

// The answer to a browser's question, which is made from the registrations, must be about the endpoint that the router chooses.
func TestPreflightsAndTheRouterAgreeOnEveryPath(t *testing.T) {
	t.Parallel()
	k := serve(t, pathEndpoints, func(p *httpserver.Params) { p.HTTP.CORSOrigins = []string{"*"} })
	pieces := rapid.SampledFrom([]string{"/", "/", "names", "orders", "files", "plain", "raw", "a", "%2F", "%2f", "%25", "%2525", "+", "%6eames", "..", "%2e", "ä"})
	rapid.Check(t, func(t *rapid.T) {
		path := "/" + strings.Join(rapid.SliceOfN(pieces, 0, 6).Draw(t, "path"), "")
		asked := k.do("OPTIONS", path, "", "Origin: https://other.example", "Access-Control-Request-Method: GET")
		require.Equal(t, http.StatusNoContent, asked.Code, path)
		status := k.do("GET", path, "").Code
		served := status == http.StatusOK || status == http.StatusUnprocessableEntity
		require.Equal(t, served, strings.Contains(asked.Header().Get("Access-Control-Allow-Methods"), "GET"), "%s %d", path, status)
	})
}
