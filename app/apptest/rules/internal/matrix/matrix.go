// Package matrix calls every endpoint of a service as everybody.
//
// It says who gets in that should not, and who does not that should.
// What [Service.Hold] does goes in this order:
//
//	refused  Every endpoint is called by all those whom it must refuse, with a request that it would take from others. The exact status
//	         is compared, and the service must have nothing afterwards that it did not have before.
//	let in   Every endpoint is called by all others, with a request that says that its body is larger than the endpoint takes. The host
//	         refuses that after access and guards, and before the body is read. So 413 says that the caller was let in, and nothing is done.
//	done     Every endpoint is called once as somebody who may, with a request that it takes.
//
// Each request comes from another network address, so that no limit on a client's requests is reached.
package matrix

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"plugboard/app"
	"plugboard/infra/host/manifest"
	"plugboard/infra/httpserver"
)

// Service is a running service.
type Service struct {
	// Handler answers the requests. Its server knows the principals of package signed.
	Handler http.Handler
	Routes  []httpserver.Route
	// Schemes are the ways in which callers tell who they are, none where nobody can.
	Schemes []app.SecurityScheme
	// Authenticated tells that the service has an authenticator.
	Authenticated bool
	// Permissions are all that the domains declare.
	Permissions []string
	// Example returns what makes a request that an endpoint takes, by its method and the template of its path; nil for none.
	Example func(method, template string) func() *http.Request
	// Header is sent with every request, for guards.
	Header http.Header
	// Callers have credentials of the service's own authenticator.
	Callers []Caller
	// Beside are paths that are served without being endpoints, as patterns of Gin.
	Beside []string
	Clock  app.Clock
	// State returns what the service has: digests by what they are of.
	State func() (map[string]string, error)
}

// Caller is somebody with credentials of the service's own authenticator.
type Caller struct {
	Name    string
	Prepare func(*http.Request)
	Known   *app.Principal
	Status  int
}

// cell is what one kind of request does: a method at a path.
type cell struct {
	httpserver.Route

	method  string
	example func() *http.Request
}

func (c cell) String() string { return fmt.Sprintf("%s %s (%s)", c.method, c.Path, c.Plugin) }

// safe reports whether pages of other sites may make the request.
func (c cell) safe() bool { return c.method == http.MethodGet || c.method == http.MethodHead }

// matrix is a [Service] under test.
type matrix struct {
	Service

	cells    []cell
	state    map[string]string
	requests int
	problems []string
}

// Hold makes the requests and returns everything that is wrong.
func (s Service) Hold() ([]string, error) {
	m := &matrix{Service: s}
	m.listCells()
	if len(s.Schemes) == 0 && slices.ContainsFunc(s.Routes, func(r httpserver.Route) bool { return !r.Access.Public }) {
		m.tell("the authenticator names no schemes, so the documents do not say which endpoints are open; return them in Schemes")
	}
	m.compareDeclared()
	var err error
	if m.state, err = s.State(); err != nil {
		return nil, err
	}
	for _, c := range m.cells {
		m.eachRow(c, m.refuse)
		m.callFromElsewhere(c)
		if err := m.compareState(c.String()); err != nil {
			return nil, err
		}
	}
	for _, c := range m.cells {
		m.eachRow(c, m.letIn)
	}
	for _, c := range m.cells {
		m.do(c)
	}
	m.callHost()
	m.callUndeclared()
	return m.problems, nil
}

// listCells lists what the endpoints serve. A GET serves HEAD too, unless that has an endpoint of its own.
func (m *matrix) listCells() {
	for _, r := range m.Routes {
		methods := []string{r.Method}
		heads := func(other httpserver.Route) bool { return other.Method == http.MethodHead && other.Path == r.Path }
		if r.Method == http.MethodGet && !slices.ContainsFunc(m.Routes, heads) {
			methods = append(methods, http.MethodHead)
		}
		example := m.Example(r.Method, manifest.Endpoint{Path: r.Path}.Template())
		for _, method := range methods {
			c := cell{r, method, example}
			if example == nil {
				m.tell("%s: no document describes it, so no request can be made", c)
				continue
			}
			m.cells = append(m.cells, c)
		}
	}
}

// compareDeclared tells of endpoints that the server treats otherwise than they say themselves, or their domain.
func (m *matrix) compareDeclared() {
	for _, r := range m.Routes {
		said := r.Options.Access
		switch {
		case len(said) == 1 && said[0] != r.Access:
			m.tell("%s %s (%s): it says %s, and the server goes by %s", r.Method, r.Path, r.Plugin, said[0], r.Access)
		case len(said) == 0 && r.Access.Public && m.Authenticated:
			m.tell("%s %s (%s): it does not say who may call it, and is open to everybody", r.Method, r.Path, r.Plugin)
		}
	}
}

func (m *matrix) tell(format string, args ...any) {
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

// compareState tells of what has changed since it was last called.
func (m *matrix) compareState(who string) error {
	now, err := m.State()
	if err != nil {
		return err
	}
	before := m.state
	m.state = now
	for _, of := range slices.Sorted(maps.Keys(now)) {
		if before[of] != now[of] {
			m.tell("%s: requests that it refused have changed %s; refuse before anything is done, or name a table that changes by itself with rules.Unwatched", who, of)
		}
	}
	return nil
}

// serves reports whether a path is one of a pattern of Gin.
func serves(pattern, path string) bool {
	parts, given := strings.Split(pattern, "/"), strings.Split(path, "/")
	for i, part := range parts {
		switch {
		case strings.HasPrefix(part, "*"):
			return true
		case i >= len(given), !strings.HasPrefix(part, ":") && part != given[i]:
			return false
		}
	}
	return len(parts) == len(given)
}
