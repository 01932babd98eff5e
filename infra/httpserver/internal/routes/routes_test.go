package routes_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver/internal/routes"
)

func TestPathsOfRoutes(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/": "", "/a-b._~/:id/parts/*rest": "",
		"a": "must begin with", "": "must begin with", "/a/": `neither "//" nor`, "//a": `neither "//" nor`, "/a/../b": `the segment ".."`,
		"/ä": "other characters", "/:1a": "must be named by", "/*rest/x": "must be the last", "/:id/:id": "two parameters named",
	} {
		params, why := routes.Parse(path)
		if want == "" {
			require.Empty(t, why, path)
			continue
		}
		require.Contains(t, why, want, path)
		require.Nil(t, params)
	}
	params, _ := routes.Parse("/:id/x/*rest")
	require.Equal(t, []string{"id", "rest"}, params)
}

// endpointsAt makes endpoints of "GET /path", each of a plugin of its own.
func endpointsAt(registered ...string) (all []app.Endpoint) {
	for i, r := range registered {
		method, path, _ := strings.Cut(r, " ")
		e := app.Endpoint{Method: method, Path: path, Source: "x.go:1"}
		e.Plugin.Name = string(rune('a'+i)) + ".x"
		all = append(all, e)
	}
	return all
}

func TestConflictsNameBothOwners(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		routes []string
		want   []string // a part of each problem
	}{
		{[]string{"GET /a/:id", "POST /a/:id", "GET /a/new", "GET /", "GET /b/*rest"}, nil},
		{[]string{"GET /a", "GET /a"}, []string{"plugin b.x (x.go:1): GET /a: the route conflicts with that of GET /a of plugin a.x (x.go:1): they are the same route"}},
		{[]string{"GET /a/:id", "GET /a/:key/b"}, []string{`they call the same segment ":key" and ":id"`}},
		{[]string{"GET /a/*rest", "GET /a/b"}, []string{`"*rest" already takes every path there`}},
		{[]string{"GET /a/b", "GET /a/*rest"}, []string{`"*rest" takes every path there`}},
		{[]string{"GET /livez"}, []string{"that of the host, which serves it itself: they are the same route"}},
		{[]string{"GET /a/:id", "PUT /a/:key"}, []string{"use the same names"}},
		{[]string{"GET /a/:id", "HEAD /a/:key"}, []string{"GET /a/:id: the route conflicts with that of HEAD /a/:key"}},
		{[]string{"GET a", "GET a"}, nil}, // reported by Parse
	} {
		problems := routes.Conflicts(endpointsAt(tc.routes...), []string{"/livez"})
		require.Len(t, problems, len(tc.want), "%v: %v", tc.routes, problems)
		for i, want := range tc.want {
			require.ErrorContains(t, problems[i], want)
		}
	}
}

func TestPathsOfRequests(t *testing.T) {
	t.Parallel()
	u, err := url.Parse("/a%2Fb/%70/c")
	require.NoError(t, err)
	require.Equal(t, []string{"", "a/b", "p", "c"}, routes.Segments(u))
	r := httptest.NewRequest(http.MethodGet, "/a%2Fb/%70/c", http.NoBody)
	require.Equal(t, "/a%2Fb/p/c", routes.Routed(r).URL.RawPath)
	require.Equal(t, "/a%2Fb/%70/c", r.URL.RawPath, "the request itself is as it came")
	for route, literal := range map[string]int{"/a/:id": 2, "/a/b": 3, "/*rest": 1, "/a": -1, "/a/b/c": -1, "/:x/c": -1} {
		got, ok := routes.Match(strings.Split(route, "/"), []string{"", "a", "b"})
		require.Equal(t, literal >= 0, ok, route)
		if ok {
			require.Equal(t, literal, got, route)
		}
	}
}
