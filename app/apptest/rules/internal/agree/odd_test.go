package agree

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"plugboard/infra/host/manifest"
	"plugboard/infra/httpserver/testdata/oddshapes"
)

// The same holds for requests and answers that nobody writes every day.
func TestDescriptionAndServiceAgreeOnOddShapes(t *testing.T) {
	t.Parallel()
	doc := odd.document(t, nil)
	doc.othersFail = []string{"oddshapes.fails", "oddshapes.pointer_checking"} // they show what a plugin can do that does not say how it fails
	samples := map[string][]request{}
	for _, s := range oddshapes.Shapes() {
		o := doc.operation(t, s.Method, manifest.Endpoint{Path: s.Path}.Template())
		for _, x := range s.Exchanges {
			samples[o.id] = append(samples[o.id], o.sample(t, x))
		}
	}
	doc.hold(t, odd.start, untaken("oddshapes.fails"), samples)
}

// The service of the plants fills itself, and every operation of it takes something; behind a guard, with the header that it wants.
func TestDescriptionAndServiceAgreeOnAShop(t *testing.T) {
	t.Parallel()
	doc := shop.document(t, nil)
	start := func(t *testing.T) Service {
		t.Helper()
		s := shop.start(t)
		doc.Fill(s)
		return s
	}
	t.Run("open", func(t *testing.T) {
		t.Parallel()
		doc.Hold(t, start, untaken("shop.products.secret"))
	})
	t.Run("guarded", func(t *testing.T) {
		t.Parallel()
		doc.Hold(t, func(t *testing.T) Service {
			t.Helper()
			s := start(t)
			s.Header = http.Header{"X-Key": {"sesame"}}
			return s
		}, untaken())
	})
}

// untaken fails a test of an operation that took no request, unless it is one of those that never do.
func untaken(never ...string) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		if !slices.ContainsFunc(never, func(id string) bool { return strings.HasSuffix(t.Name(), "/"+id) }) {
			t.Error("no request was taken")
		}
	}
}

// The document is changed in one place after the other, and each time that the service does something else is found.
func TestPlantedDisagreementsAreFound(t *testing.T) {
	t.Parallel()
	shopService, oddService := shop.start(t), odd.start(t)
	shop.document(t, nil).Fill(shopService)
	const product, created = "components schemas agree.CreateProductRequest ", "components schemas agree.ProductData "
	for _, plant := range []struct {
		name   string
		of     application
		method string
		path   string
		place  string // the keys on the way to what is changed, with spaces between them
		value  string // what is put there; "" takes away what is there
	}{
		{"a lower limit", shop, "POST", "/products", product + "properties price maximum", `999999999`},
		{"a limit less", shop, "POST", "/products", product + "properties name maxLength", ``},
		{"a limit that is allowed itself", shop, "POST", "/products", product + "properties price", `{"type":"number","format":"double","minimum":0,"maximum":1000000000}`},
		{"fewer items", odd, "PATCH", "/odd/patch", "components schemas oddshapes.patched properties list maxItems", `3`},
		{"nothing is required", shop, "POST", "/products", product + "required", ``},
		{"more is required", odd, "POST", "/odd/self_checking", "components schemas oddshapes.selfCheckingInput required", `["low","high","more"]`},
		{"another choice", odd, "POST", "/odd/conditional", "components schemas oddshapes.conditionalInput properties kind enum", `["card","cash","other"]`},
		{"another type", odd, "POST", "/odd/aliases", "components schemas oddshapes.aliasesInput properties text type", `["string","number"]`},
		{"another type of a parameter", shop, "GET", "/products/{id}", "paths /products/{id} get parameters 0 schema type", `"string"`},
		{"null", odd, "POST", "/odd/embedded", "components schemas oddshapes.embeddedInput properties name type", `["string","null"]`},
		{"no null", odd, "POST", "/odd/nullables", "components schemas oddshapes.nullablesInput properties text type", `"string"`},
		{"another format", odd, "POST", "/odd/numbers", "components schemas oddshapes.numbersInput properties i64 format", `"int32"`},
		{"no format", odd, "POST", "/odd/dates", "components schemas oddshapes.formsOfDateInput properties one format", ``},
		{"no pattern", shop, "POST", "/products", product + "properties name pattern", ``},
		{"further members", odd, "POST", "/odd/strict_body", "paths /odd/strict_body post requestBody content application/json schema additionalProperties", ``},
		{"a member of an answer", shop, "POST", "/products", created + "properties id", ``},
		{"a member more in an answer", shop, "POST", "/products", created + "required", `["id","name","price","more"]`},
		{"another status", shop, "POST", "/products", "paths /products post responses 201", ``},
		{"another failure", shop, "GET", "/products/{id}", "paths /products/{id} get responses 404", ``},
		{"another code", shop, "GET", "/products/{id}", "paths /products/{id} get responses 404 $ref", `"#/components/responses/Conflict"`},
		{"another media type", odd, "GET", "/odd/picture", "paths /odd/picture get responses 200 content image/png", ``},
		{"a rule less", odd, "POST", "/odd/self_checking", "paths /odd/self_checking post x-rules", ``},
		{"a rule of another field", odd, "POST", "/odd/comparing", "paths /odd/comparing post x-rules", `[{"field":"from","rule":"gtefield"}]`},
	} {
		t.Run(plant.name, func(t *testing.T) {
			t.Parallel()
			service := shopService
			if plant.of.name == odd.name {
				service = oddService
			}
			doc := plant.of.document(t, edited(t, plant.place, plant.value))
			require.True(t, doc.operation(t, plant.method, plant.path).differs(service))
		})
	}
}

// differs reports whether some request shows that the service does something else than is described.
func (o *endpoint) differs(s Service) bool {
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
			if problem, _ := r.problem(s); problem != "" {
				return true
			}
		}
	}
	return false
}
