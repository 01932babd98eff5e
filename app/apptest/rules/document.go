package rules

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/host/application"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
	"plugboard/infra/httpserver"
)

// documentFile is where the description of the API is, when the modules list none.
const documentFile = "docs/openapi.json"

// remedy is what to do about a document that is older than the registrations.
const remedy = "run go tool plug docs"

// documented returns the application with the description of its API: that which the modules list, otherwise that in docs. It skips the
// test when there is none.
func (s *site) documented(t *testing.T) (*application.App, string) {
	t.Helper()
	var spec httpserver.SpecFunc
	type listed struct {
		fx.In
		Spec httpserver.SpecFunc `optional:"true"`
	}
	a := s.unopened(t, fx.Invoke(func(in listed) { spec = in.Spec }))
	if spec != nil {
		return a, spec()
	}
	text := s.read(t, documentFile, "the modules list no host.Spec, and there is no "+documentFile)
	return a, text
}

// testDocument is the rule that the description of the API equals what is registered.
func testDocument(t *testing.T, s *site) {
	t.Helper()
	a, text := s.documented(t)
	built, err := described([]byte(text))
	if err != nil {
		t.Fatalf("%v; %s", err, remedy)
	}
	service, err := a.Manifest()
	if err != nil {
		t.Fatalf("describe the application: %v", err)
	}
	problems := checkRoutes(endpointsOf(a), built)
	stale, err := checkStale([]byte(text), service)
	if err != nil {
		t.Fatalf("write the description of the API: %v", err)
	}
	report(t, append(problems, stale...))
}

func endpointsOf(a *application.App) []app.Endpoint {
	var all []app.Endpoint
	for _, p := range a.Registrar().Plugins() {
		all = append(all, p.Boot.Endpoints()...)
	}
	return all
}

// description is as much of an OpenAPI document as the registrations are held against.
type description struct {
	Paths      map[string]map[string]any `json:"paths"` // of each path, the operations by their methods
	Components map[string]map[string]any `json:"components"`
}

// operation is what the document says about a route.
type operation struct {
	id       string
	tags     []string
	statuses []int
}

// described reads the description of the API.
func described(text []byte) (description, error) {
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("read the description of the API: %w", err)
	}
	return d, nil
}

// operations returns the operations, by "GET /path".
func (d description) operations() map[string]operation {
	all := map[string]operation{}
	for path, item := range d.Paths {
		for method, node := range item {
			described, ok := node.(map[string]any)
			if !ok {
				continue
			}
			var o operation
			o.id, _ = described["operationId"].(string)
			tags, _ := described["tags"].([]any)
			for _, tag := range tags {
				o.tags = append(o.tags, fmt.Sprint(tag))
			}
			responses, _ := described["responses"].(map[string]any)
			for status := range responses {
				if n, err := strconv.Atoi(status); err == nil {
					o.statuses = append(o.statuses, n)
				}
			}
			slices.Sort(o.statuses)
			all[strings.ToUpper(method)+" "+path] = o
		}
	}
	return all
}

var pathParameter = regexp.MustCompile(`[:*](\w+)`)

// checkRoutes holds the description against the registered endpoints. It does not look at what [checkStale] does: at types.
func checkRoutes(endpoints []app.Endpoint, d description) []string {
	var problems []string
	operations, registered := d.operations(), map[string]bool{}
	for _, e := range endpoints {
		if e.Options.Hidden {
			continue
		}
		route := e.Method + " " + pathParameter.ReplaceAllString(e.Path, "{$1}")
		registered[route] = true
		op, ok := operations[route]
		if !ok {
			problems = append(problems, fmt.Sprintf("%s (%s) is not described; %s", route, e.Plugin.Name, remedy))
			continue
		}
		for _, problem := range compareOperation(e, op) {
			problems = append(problems, fmt.Sprintf("%s (%s): %s; %s", route, e.Plugin.Name, problem, remedy))
		}
	}
	for route := range operations {
		if !registered[route] {
			problems = append(problems, route+" is described, and no plugin serves it; "+remedy)
		}
	}
	slices.Sort(problems)
	return problems
}

func compareOperation(e app.Endpoint, op operation) []string {
	var problems []string
	if name := e.Handler.Name(); name == "Execute" && e.Plugin.Name != op.id {
		problems = append(problems, fmt.Sprintf("id: registered %s, described %s", e.Plugin.Name, op.id))
	}
	if !slices.Equal(e.Options.Tags, op.tags) {
		problems = append(problems, fmt.Sprintf("tags: registered %v, described %v", e.Options.Tags, op.tags))
	}
	described := slices.DeleteFunc(slices.Clone(op.statuses), func(status int) bool { return status >= http.StatusBadRequest })
	if registered := statusesOf(e); !slices.Equal(registered, described) {
		problems = append(problems, fmt.Sprintf("statuses: registered %v, described %v", registered, described))
	}
	for _, code := range e.Options.Fails {
		if !slices.Contains(op.statuses, code.Status()) {
			problems = append(problems, fmt.Sprintf("fails with %s, %d, which is not described", code, code.Status()))
		}
	}
	return problems
}

// statusesOf returns the statuses of an endpoint's successes.
func statusesOf(e app.Endpoint) []int {
	statuses := slices.Clone(e.Options.Statuses)
	if len(statuses) == 0 {
		statuses = []int{http.StatusOK}
	}
	if e.Method == http.MethodGet && e.Raw == nil && e.Handler.ResponseType() == reflect.TypeFor[app.Binary]() { // what the host answers to ranges and conditions
		statuses = append(statuses, http.StatusPartialContent, http.StatusNotModified)
	}
	slices.Sort(statuses)
	return slices.Compact(statuses)
}

// checkStale names the operations and components that are described otherwise than the registrations have them.
func checkStale(text []byte, service manifest.Service) ([]string, error) {
	current, stale, err := openapi.Current(text, service)
	if err != nil || !stale {
		return nil, err
	}
	before, err := described(text)
	if err != nil {
		return nil, err
	}
	now, err := described(current)
	if err != nil {
		return nil, err
	}
	problems := []string{"the description of the API is older than what the plugins register; " + remedy}
	differ := func(what string, before, now map[string]map[string]any) {
		for group, nodes := range now {
			for name, node := range nodes {
				if old, ok := before[group][name]; ok && !reflect.DeepEqual(old, node) {
					problems = append(problems, fmt.Sprintf("%s %s %s is described otherwise than the plugins register it; %s", what, group, name, remedy))
				}
			}
		}
	}
	differ("operation", before.Paths, now.Paths)
	differ("component", before.Components, now.Components)
	slices.Sort(problems)
	return problems, nil
}
