package main

import (
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/docs"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
	"plugboard/infra/httpserver/testdata/oddshapes"
)

// For every endpoint, requests are made from the document, and from each of them others that differ in one place by one step. The service
// takes those that the document allows and no others, and answers as is described. What it refuses beyond that, it refuses by a rule
// that the document lists.
//
// No document can say a few things, of which the generators make none: NUL characters, whole numbers with a point or an exponent, numbers
// closer to 0 than a float can say, very deep nesting, names that come twice, and limits of the body's size.
func TestDescriptionAndServiceAgree(t *testing.T) {
	t.Parallel()
	agree(t, example, readDocument(t, []byte(docs.Spec()), nil), nil)
}

// The same holds for requests and answers that nobody writes every day.
func TestDescriptionAndServiceAgreeOnOddShapes(t *testing.T) {
	t.Parallel()
	doc := readDocument(t, documentOf(t, odd(t)), nil)
	samples := map[string][]request{}
	for _, s := range oddshapes.Shapes() {
		o := doc.operation(t, s.Method, manifest.Endpoint{Path: s.Path}.Template())
		for _, x := range s.Exchanges {
			samples[o.id] = append(samples[o.id], o.sample(t, x))
		}
	}
	agree(t, odd, doc, samples)
}

// The document is changed in one place after the other, and each time that the service does something else is found.
func TestPlantedDisagreementsAreFound(t *testing.T) {
	t.Parallel()
	service, odd := example(t), odd(t)
	const product, created = "components schemas CreateProductRequest ", "components schemas CreateProductData "
	for _, plant := range []struct {
		name   string
		h      *apptest.App
		method string
		path   string
		place  string // the keys on the way to what is changed, with spaces between them
		value  string // what is put there; "" takes away what is there
	}{
		{"a lower limit", service, "POST", "/products", product + "properties price maximum", `999999999`},
		{"a limit less", service, "POST", "/products", product + "properties name maxLength", ``},
		{"a limit that is allowed itself", service, "POST", "/products", product + "properties price", `{"type":"number","format":"double","minimum":0,"maximum":1000000000}`},
		{"fewer items", odd, "PATCH", "/odd/patch", "components schemas oddshapes.patched properties list maxItems", `3`},
		{"nothing is required", service, "POST", "/products", product + "required", ``},
		{"more is required", odd, "POST", "/odd/self_checking", "components schemas oddshapes.selfCheckingInput required", `["low","high","more"]`},
		{"another choice", odd, "POST", "/odd/conditional", "components schemas oddshapes.conditionalInput properties kind enum", `["card","cash","other"]`},
		{"another type", odd, "POST", "/odd/aliases", "components schemas oddshapes.aliasesInput properties text type", `["string","number"]`},
		{"another type of a parameter", service, "GET", "/products/{id}", "paths /products/{id} get parameters 0 schema type", `"string"`},
		{"null", odd, "POST", "/odd/embedded", "components schemas oddshapes.embeddedInput properties name type", `["string","null"]`},
		{"no null", odd, "POST", "/odd/nullables", "components schemas oddshapes.nullablesInput properties text type", `"string"`},
		{"another format", odd, "POST", "/odd/numbers", "components schemas oddshapes.numbersInput properties i64 format", `"int32"`},
		{"no format", odd, "POST", "/odd/dates", "components schemas oddshapes.formsOfDateInput properties one format", ``},
		{"no pattern", service, "POST", "/products", product + "properties name pattern", ``},
		{"further members", odd, "POST", "/odd/strict_body", "paths /odd/strict_body post requestBody content application/json schema additionalProperties", ``},
		{"a member of an answer", service, "POST", "/products", created + "properties id", ``},
		{"a member more in an answer", service, "POST", "/products", created + "required", `["id","name","price","more"]`},
		{"another status", service, "POST", "/products", "paths /products post responses 201", ``},
		{"another failure", service, "GET", "/products/{id}", "paths /products/{id} get responses 404", ``},
		{"another code", service, "GET", "/products/{id}", "paths /products/{id} get responses 404 $ref", `"#/components/responses/Conflict"`},
		{"another media type", odd, "GET", "/odd/picture", "paths /odd/picture get responses 200 content image/png", ``},
		{"a rule less", odd, "POST", "/odd/self_checking", "paths /odd/self_checking post x-rules", ``},
		{"a rule of another field", odd, "POST", "/odd/comparing", "paths /odd/comparing post x-rules", `[{"field":"from","rule":"gtefield"}]`},
	} {
		t.Run(plant.name, func(t *testing.T) {
			t.Parallel()
			text := []byte(docs.Spec())
			if plant.h == odd {
				text = documentOf(t, odd)
			}
			doc := readDocument(t, text, edited(t, plant.place, plant.value))
			require.True(t, doc.operation(t, plant.method, plant.path).differs(plant.h))
		})
	}
}

// differs reports whether some request shows that the service does something else than is described.
func (o *endpoint) differs(h *apptest.App) bool {
	some := rapid.Custom(func(t *rapid.T) []request {
		r := o.drawn(t, nil)
		if !r.allowed() {
			return []request{r}
		}
		return append([]request{r}, r.steps(t)...)
	})
	const most = 50
	for seed := range most {
		for _, r := range some.Example(seed) {
			if problem, _ := r.problem(h); problem != "" {
				return true
			}
		}
	}
	return false
}

// domainModules are the domains of main.go's list.
func domainModules() (domains []fx.Option) {
	for _, option := range reflect.ValueOf(modules).Seq2() { // a group of Fx's is a list
		if domain, ok := reflect.TypeAssert[app.DomainModule](option); ok {
			domains = append(domains, domain)
		}
	}
	return domains
}

// example is the service with something in it.
func example(t *testing.T) *apptest.App {
	t.Helper()
	h := apptest.New(t, append(domainModules(), quiet)...)
	h.POST("/products", `{"name":"Lamp","price":1}`).Status(http.StatusCreated)
	upload := readDocument(t, []byte(docs.Spec()), nil).operation(t, http.MethodPost, "/images")
	r := request{op: upload, media: "multipart/form-data", texts: map[*parameter][]string{upload.parameters[0]: {picture()}}}
	r.send(h).Status(http.StatusCreated)
	h.WaitForEvents()
	return h
}

// odd is an application of the odd shapes.
func odd(t *testing.T) *apptest.App {
	t.Helper()
	return apptest.New(t, oddshapes.Module(), quiet)
}

// quiet keeps the many requests out of the test's log.
var quiet = fx.Decorate(func(*zap.Logger) *zap.Logger { return zap.NewNop() })

// documentOf is the document of an application, without words.
func documentOf(t *testing.T, h *apptest.App) []byte {
	t.Helper()
	service, err := h.Host().Manifest()
	require.NoError(t, err)
	text, err := openapi.Write(service, openapi.About{}, wordless{})
	require.NoError(t, err)
	return text
}

// wordless says nothing.
type wordless struct{}

func (wordless) Operation(manifest.Endpoint) openapi.Words { return openapi.Words{} }
func (wordless) Declaration(string) string                 { return "" }
func (wordless) Tag(string) string                         { return "" }

// agree holds every operation of a document against a service. What deletes has one of its own, so that the others find something.
func agree(t *testing.T, start func(*testing.T) *apptest.App, doc *document, samples map[string][]request) {
	t.Helper()
	shared := start(t)
	for _, o := range doc.operations {
		t.Run(o.id, func(t *testing.T) {
			t.Parallel()
			h, taken := shared, 0
			if o.method == http.MethodDelete {
				h = start(t)
			}
			try := func(t require.TestingT, r request) {
				problem, success := r.problem(h)
				if problem != "" {
					t.Errorf("%s\n%s", r, problem)
					t.FailNow()
				}
				if success {
					taken++
				}
			}
			for _, r := range samples[o.id] {
				try(t, r)
			}
			good := slices.DeleteFunc(slices.Clone(samples[o.id]), func(r request) bool { return !r.allowed() })
			rapid.Check(t, func(t *rapid.T) {
				r := o.drawn(t, good)
				try(t, r)
				if r.allowed() && rapid.IntRange(0, 49).Draw(t, "steps") == 0 {
					for _, step := range r.steps(t) {
						try(t, step)
					}
				}
			})
			require.True(t, taken > 0 || slices.Contains(neverTaken, o.id), "no request was taken")
		})
	}
}

// neverTaken are operations that answer no request with success.
var neverTaken = []string{"oddshapes.fails"}

// operation returns an operation by its method and path.
func (d *document) operation(t *testing.T, method, path string) *endpoint {
	t.Helper()
	i := slices.IndexFunc(d.operations, func(o *endpoint) bool { return o.method == method && o.path == path })
	require.GreaterOrEqual(t, i, 0, path)
	return d.operations[i]
}

// sample is the request of an exchange. Of its headers it keeps those that no parameter describes.
func (o *endpoint) sample(t *testing.T, x oddshapes.Exchange) request {
	t.Helper()
	target, err := url.Parse(x.Target)
	require.NoError(t, err)
	r := request{op: o, texts: map[*parameter][]string{}}
	headers := http.Header{}
	for _, header := range x.Headers {
		name, value, _ := strings.Cut(header, ": ")
		headers.Add(name, value)
	}
	r.media, _, _ = strings.Cut(headers.Get("Content-Type"), ";")
	form := url.Values{}
	switch r.media {
	case "application/json":
		require.NoError(t, decode(x.Body, &r.body))
		r.hasBody = true
	case "application/x-www-form-urlencoded":
		form, err = url.ParseQuery(x.Body)
		require.NoError(t, err)
	case "multipart/form-data":
		form = formOf(t, headers.Get("Content-Type"), x.Body)
	default:
		r.raw = x.Body
	}
	segments, template := strings.Split(target.EscapedPath(), "/"), strings.Split(o.path, "/")
	for _, p := range o.parameters {
		switch p.in {
		case "path":
			at := slices.Index(template, "{"+p.name+"}")
			text, err := url.PathUnescape(segments[at])
			require.NoError(t, err)
			r.give(p, text)
		case "query":
			r.give(p, target.Query()[p.name]...)
		case "form":
			r.give(p, form[p.name]...)
		case "header":
			lines := strings.Join(headers.Values(p.name), ",")
			r.give(p, strings.FieldsFunc(lines, func(c rune) bool { return c == ',' || c == ' ' })...)
			headers.Del(p.name)
		case "cookie":
			if c, err := (&http.Request{Header: headers}).Cookie(p.name); err == nil {
				r.give(p, c.Value)
			}
		}
	}
	for name, values := range headers {
		if name != "Content-Type" && name != "Cookie" {
			r.headers = append(r.headers, name+": "+values[0])
		}
	}
	return r
}

func (r request) give(p *parameter, texts ...string) {
	if len(texts) > 0 {
		r.texts[p] = texts
	}
}

// formOf are the parts of a multipart form by their names.
func formOf(t *testing.T, contentType, body string) url.Values {
	t.Helper()
	_, parameters, err := mime.ParseMediaType(contentType)
	require.NoError(t, err)
	parts, err := multipart.NewReader(strings.NewReader(body), parameters["boundary"]).ReadForm(1 << 20)
	require.NoError(t, err)
	form := url.Values(parts.Value)
	for name, files := range parts.File {
		for range files {
			form.Add(name, "content")
		}
	}
	return form
}
