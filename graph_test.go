package main

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/config"
	"plugboard/docs"
	"plugboard/infra/host/application"
)

// assembled puts the application of main.go together on a database, and opens nothing.
func assembled(t *testing.T, url string) *application.App {
	t.Helper()
	cfg := config.Default()
	cfg.Database.URL = url
	a, err := application.New(cfg, modules)
	require.NoError(t, err)
	return a
}

func TestModulesFitTogether(t *testing.T) {
	t.Parallel()
	plugins := assembled(t, "sqlite:"+t.TempDir()+"/never.db").Registrar().Plugins()
	require.Len(t, plugins, len(pluginFiles(t, repository())), "plugins registered, plugin files")
}

func TestModelsEqualTables(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		a := assembled(t, db.URL)
		require.NoError(t, a.DB().Open(t.Context()))
		t.Cleanup(func() { require.NoError(t, a.DB().Close(context.WithoutCancel(t.Context()))) })
		require.NoError(t, a.DB().Migrate(t.Context(), a.Migrations()))
		for domain, models := range a.Models() {
			require.Empty(t, apptest.CompareModels(t.Context(), a.DB(), models), domain)
		}
	})
}

// operation is what the API's description says about a route.
type operation struct {
	id   string
	tags []string
	// parameters are "path id", "query limit", "body name", "formData image".
	parameters []string
	statuses   []int
}

func described(t *testing.T, spec string) map[string]operation {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData([]byte(spec))
	require.NoError(t, err)
	operations := map[string]operation{}
	for path, item := range document.Paths.Map() {
		for method, op := range item.Operations() {
			o := operation{id: op.OperationID, tags: op.Tags, parameters: describedParameters(op)}
			for status := range op.Responses.Map() {
				if status == "default" {
					continue
				}
				n, err := strconv.Atoi(status)
				require.NoError(t, err)
				o.statuses = append(o.statuses, n)
			}
			slices.Sort(o.statuses)
			operations[method+" "+path] = o
		}
	}
	return operations
}

// describedParameters lists where an operation's parameters are and what its body has.
func describedParameters(op *openapi3.Operation) []string {
	var found []string
	for _, p := range op.Parameters {
		found = append(found, p.Value.In+" "+p.Value.Name)
	}
	if op.RequestBody != nil {
		for mediaType, content := range op.RequestBody.Value.Content {
			in := "body "
			if !strings.HasSuffix(mediaType, "json") {
				in = "formData "
			}
			for name := range content.Schema.Value.Properties {
				found = append(found, in+name)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

var pathParameter = regexp.MustCompile(`[:*](\w+)`)

// checkDescription holds the API's description against the registered endpoints.
func checkDescription(endpoints []app.Endpoint, operations map[string]operation) []string {
	var problems []string
	registered := map[string]bool{}
	for _, e := range endpoints {
		if e.Options.Hidden {
			continue
		}
		route := e.Method + " " + pathParameter.ReplaceAllString(e.Path, "{$1}")
		registered[route] = true
		op, ok := operations[route]
		if !ok {
			problems = append(problems, fmt.Sprintf("%s (%s) is not described; annotate its Execute and run make docs", route, e.Plugin.Name))
			continue
		}
		for _, problem := range compareOperation(e, op) {
			problems = append(problems, route+": "+problem)
		}
	}
	for route := range operations {
		if !registered[route] {
			problems = append(problems, route+" is described, and no plugin serves it")
		}
	}
	return problems
}

func compareOperation(e app.Endpoint, op operation) []string {
	var problems []string
	differ := func(what string, registered, described any) {
		if !reflect.DeepEqual(registered, described) {
			problems = append(problems, fmt.Sprintf("%s: registered %v, described %v", what, registered, described))
		}
	}
	if name := e.Handler.Name(); name == "Execute" {
		differ("id", e.Plugin.Name, op.id)
	}
	differ("tags", e.Options.Tags, op.tags)
	if e.Raw == nil { // a raw endpoint declares its request for the documents alone
		differ("parameters", requestParameters(e.Handler.RequestType()), op.parameters)
	}

	failures := slices.IndexFunc(op.statuses, func(status int) bool { return status >= http.StatusBadRequest })
	statuses := e.Options.Statuses
	if len(statuses) == 0 {
		statuses = []int{http.StatusOK}
	}
	if e.Method == http.MethodGet && e.Raw == nil && e.Handler.ResponseType() == reflect.TypeFor[app.Binary]() { // what the host answers to ranges and conditions
		statuses = append(slices.Clone(statuses), http.StatusPartialContent, http.StatusNotModified)
	}
	differ("statuses", slices.Sorted(slices.Values(statuses)), op.statuses[:failures])
	for _, code := range e.Options.Fails {
		if !slices.Contains(op.statuses, code.Status()) {
			problems = append(problems, fmt.Sprintf("fails with %s, %d, which is not described", code, code.Status()))
		}
	}
	return problems
}

// requestParameters lists where a request's fields come from, as "path id", "query limit", "body name", "formData image".
func requestParameters(request reflect.Type) []string {
	var found []string
	form := "query"
	for field := range fields(request) {
		if field.Type == reflect.TypeFor[*app.File]() || field.Type == reflect.TypeFor[[]*app.File]() {
			form = "formData" // a request with a file is a form
		}
	}
	for field := range fields(request) {
		for tag, in := range map[string]string{"uri": "path", "form": form, "header": "header"} {
			if name := field.Tag.Get(tag); name != "" {
				found = append(found, in+" "+name)
			}
		}
		if name := field.Tag.Get("json"); name != "" && name != "-" {
			found = append(found, "body "+name)
		}
	}
	slices.Sort(found)
	return found
}

// fields yields a struct's fields, those of embedded structs in their place.
func fields(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for _, field := range reflect.VisibleFields(t) {
			if !field.Anonymous && !yield(field) {
				return
			}
		}
	}
}

func TestDocumentationEqualsRoutes(t *testing.T) {
	t.Parallel()
	endpoints := allEndpoints(assembled(t, "sqlite:"+t.TempDir()+"/never.db"))
	require.Empty(t, checkDescription(endpoints, described(t, docs.Spec())))

	for old, wrong := range map[string]string{
		`"/products/{id}"`:              `"/products/{number}"`,
		`"patch"`:                       `"put"`,
		`"operationId": "products.cre`:  `"operationId": "products.Cre`,
		`"201"`:                         `"200"`,
		`"409"`:                         `"418"`,
		`"name": "sort"`:                `"name": "order"`,
		"[\n                    \"Pro":  "[\"New\",\n \"Pro", // the tags of an operation
		`"operationId": "notifications`: `"operationId": "notification`,
	} {
		require.Contains(t, docs.Spec(), old)
		require.NotEmpty(t, checkDescription(endpoints, described(t, strings.Replace(docs.Spec(), old, wrong, 1))), wrong)
	}
}

func allEndpoints(a *application.App) []app.Endpoint {
	var all []app.Endpoint
	for _, p := range a.Registrar().Plugins() {
		all = append(all, p.Boot.Endpoints()...)
	}
	return all
}

// The table of events in docs/architecture.md is what is registered.
func TestEventsAreDocumented(t *testing.T) {
	t.Parallel()
	published, heard := map[string][]string{}, map[string][]string{}
	for _, p := range assembled(t, "sqlite:"+t.TempDir()+"/never.db").Registrar().Plugins() {
		for _, publication := range p.Boot.Publications() {
			topic := publication.Event.Topic()
			published[topic] = append(published[topic], "`"+publication.Plugin.Name+"`")
		}
		for _, s := range p.Boot.Subscriptions() {
			heard[s.Subscriber.Topic()] = append(heard[s.Subscriber.Topic()], "`"+s.Plugin.Name+"`")
		}
	}
	_, text, _ := strings.Cut(read(t, repository(), "docs/architecture.md"), "<!-- events: generated")
	text, _, _ = strings.Cut(text, "<!-- end of events -->")
	for topic, plugins := range published {
		cell := strings.Join(heard[topic], ", ")
		if cell != "" {
			cell += " "
		}
		require.Contains(t, text, fmt.Sprintf("| `%s` | %s | %s|\n", topic, strings.Join(plugins, ", "), cell))
	}
	require.Equal(t, len(published), strings.Count(text, "\n| `"), "topics, rows of the table")
}
