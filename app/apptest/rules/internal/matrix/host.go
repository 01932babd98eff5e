package matrix

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// own are the paths that the host serves itself, with the statuses that nobody may get. Documents are not there without one, or where a setting
// turns them off.
var own = map[string][]int{ //nolint:gochecknoglobals // a table
	"/livez":            {http.StatusOK},
	"/readyz":           {http.StatusOK},
	"/docs":             {http.StatusMovedPermanently, http.StatusNotFound},
	"/docs/":            {http.StatusOK, http.StatusNotFound},
	"/openapi.json":     {http.StatusOK, http.StatusNotFound},
	"/openapi-3.0.json": {http.StatusOK, http.StatusNotFound},
}

// usual are paths at which services and their libraries serve what is not for everybody.
var usual = []string{ //nolint:gochecknoglobals // a table
	"/", "/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/vars", "/debug", "/admin", "/admin/", "/internal", "/console",
	"/actuator", "/actuator/env", "/status", "/health", "/healthz", "/config", "/env", "/.env", "/.git/config", "/graphql", "/swagger", "/swagger/index.html",
	"/api", "/api/v1", "/ws", "/events", "/static/", "/assets/", "/files/", "/uploads/", "/backup", "/dump",
}

// callHost calls what the host serves itself.
func (m *matrix) callHost() {
	for _, path := range slices.Sorted(maps.Keys(own)) {
		statuses := own[path]
		if a := m.get(path, nil); !slices.Contains(statuses, a.code) {
			m.tell("GET %s as nobody: answered %s; the host serves it, and answers one of %d", path, a, statuses)
		}
	}
}

// callUndeclared calls paths that are no endpoints.
func (m *matrix) callUndeclared() {
	all := somebody("a principal with app.AllPermissions", m.Clock.Now(), app.AllPermissions)
	for _, path := range append(slices.Clone(usual), "/"+rand.Text(), "/"+rand.Text()+"/"+rand.Text()) {
		if slices.ContainsFunc(m.Routes, func(r httpserver.Route) bool { return serves(r.Path, path) }) ||
			slices.ContainsFunc(m.Beside, func(pattern string) bool { return serves(pattern, path) }) {
			continue
		}
		for _, r := range []row{{as: "nobody"}, all} {
			if a := m.get(path, r.give); a.code != http.StatusNotFound {
				m.tell("GET %s as %s: answered %s, and it is no endpoint, so it has no access rule; make it one, or name it with rules.ServedBeside", path, r.as, a)
			}
		}
	}
}

func (m *matrix) get(path string, give func(*http.Request)) answer {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	w := httptest.NewRecorder()
	m.Handler.ServeHTTP(w, m.given(httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody), give))
	return answer{w.Code, w.Result().Header, w.Body.String()}
}
