package application_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/host/manifest"
)

type (
	describedQuery struct {
		app.PageQuery

		ID    int64      `uri:"id" json:"-" binding:"gt=0,lt=10" example:"1"`
		Sort  string     `form:"sort" json:"-" binding:"omitempty,oneof=id name" example:"name"`
		Code  string     `header:"X-Code" json:"-" binding:"required,len=4"`
		Tags  []string   `form:"tag" json:"-" binding:"max=3,dive,min=1"`
		Since *time.Time `form:"since" json:"-"`
	}
	describedUpload struct {
		File *app.File `form:"file" json:"-" binding:"required"`
		Rate float64   `form:"rate" json:"-" binding:"required,gt=0,lte=5"`
	}
	describedEmpty struct{}
)

// endpointsOf are the endpoints that "routes --json" prints.
func endpointsOf(t *testing.T, boot func(b *app.Boot)) ([]manifest.Endpoint, manifest.Components) {
	t.Helper()
	modules := fx.Options(infra(), app.Domain("shop", boots("shop.all", boot)))
	code, stdout, stderr := run(t, modules, inTemp(t), "routes", "--json")
	require.Zero(t, code, stderr)
	var printed struct {
		Endpoints  []manifest.Endpoint `json:"endpoints"`
		Components manifest.Components `json:"components"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &printed))
	return printed.Endpoints, printed.Components
}

// requireSchema holds a schema against its JSON, without the names of declarations.
func requireSchema(t *testing.T, want string, s *manifest.Schema, what string) {
	t.Helper()
	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, want, undeclared(string(text)), what)
}

// undeclared takes the names of declarations out of a schema.
func undeclared(schema string) string {
	schema = afterReference.ReplaceAllString(schema, "$1")
	return declaration.ReplaceAllString(schema, "")
}

var (
	afterReference = regexp.MustCompile(`("\$ref":"[^"]*"),"\$comment":"[^"]*"`)
	declaration    = regexp.MustCompile(`"\$comment":"[^"]*",?`)
)

// Limits on requests, those of the domain first, are in the manifest, and so is the failure of what goes beyond them.
func TestRoutesDescribeLimits(t *testing.T) {
	t.Parallel()
	endpoints, _ := endpointsOf(t, func(b *app.Boot) {
		b.GET("/a", app.Handle(echoEmpty), app.Limit(100, time.Minute, app.PerClient), app.Limit(5, time.Second, app.PerClient.Shared()))
		b.GET("/b", app.Handle(echoEmpty))
	})
	require.Equal(t, []manifest.Limit{{Requests: 100, Per: "1m0s", Key: "client"}, {Requests: 5, Per: "1s", Key: "client", Shared: true}}, endpoints[0].Limits)
	require.Contains(t, endpoints[0].Failures, manifest.Failure{Status: http.StatusTooManyRequests, Codes: []string{"too_many"}})
	require.Empty(t, endpoints[1].Limits)
	require.NotContains(t, endpoints[1].Failures, manifest.Failure{Status: http.StatusTooManyRequests, Codes: []string{"too_many"}})
}

// What is generated from the manifest is all there.
func TestRoutesDescribeTheAPI(t *testing.T) {
	t.Parallel()
	guard := func(ctx context.Context, _ *http.Request) (context.Context, error) { return ctx, nil }
	endpoints, _ := endpointsOf(t, func(b *app.Boot) {
		b.GET("/a/:id", app.Handle(func(context.Context, describedQuery) (item, error) { return item{}, nil }), app.Guard(guard), app.Secured("bearer"))
		b.POST("/b", app.Handle(func(context.Context, describedUpload) (item, error) { return item{}, nil }), app.Fails(app.Conflict))
		b.GET("/c", app.Handle(func(context.Context, describedEmpty) (app.Binary, error) { return app.Binary{}, nil }), app.Produces("image/png", "image/gif"))
		b.Raw(http.MethodPost, "/d/*rest", func(*gin.Context) {}, app.Summary("Passes on"), app.Accepts("text/csv"),
			app.Takes[describedEmpty](), app.Answers[item](), app.Deprecated(app.NewDate(2026, 1, 31), app.NewDate(2027, 1, 31)), app.Hidden())
	})
	var failures [][]int
	for _, e := range endpoints {
		var statuses []int
		for _, f := range e.Failures {
			statuses = append(statuses, f.Status)
		}
		failures = append(failures, statuses)
	}
	require.Equal(t, [][]int{
		{400, 401, 403, 421, 422, 500, 503, 504}, {400, 403, 408, 409, 413, 415, 421, 422, 500, 503, 504, 507},
		{400, 412, 416, 421, 500, 503, 504}, {400, 403, 413, 421, 500, 503, 504},
	}, failures)
	require.Equal(t, []string{"bearer"}, endpoints[0].Security)
	require.Equal(t, []string{"image/png", "image/gif"}, endpoints[2].Produces)
	raw := endpoints[3]
	require.Equal(t, "Passes on", raw.Summary)
	require.True(t, raw.Hidden)
	require.Equal(t, &manifest.Deprecation{Since: "2026-01-31", Sunset: "2027-01-31"}, raw.Deprecated)
	require.Equal(t, []string{"shop.all", "shop.all.post_b", "shop.all.get_c", "shop.all.post_d_rest"},
		[]string{endpoints[0].ID, endpoints[1].ID, endpoints[2].ID, raw.ID})

	want := map[string]string{
		"query limit":   `{"type":"integer","format":"int64","default":20,"minimum":1,"maximum":100,"examples":[20]}`,
		"query offset":  `{"type":"integer","format":"int64","default":0,"minimum":0,"maximum":10000,"examples":[0],"x-rules":[{"rule":"cursor","says":"is not given with cursor"}]}`,
		"query cursor":  `{"type":"string","maxLength":4096,"x-rules":[{"rule":"cursor","says":"is of a page of this list"}]}`,
		"query total":   `{"type":"boolean","examples":[false]}`,
		"path id":       `{"type":"integer","format":"int64","minimum":1,"maximum":9,"examples":[1]}`,
		"query sort":    `{"type":"string","enum":["id","name"],"examples":["name"]}`,
		"header X-Code": `{"type":"string","minLength":4,"maxLength":4}`,
		"query tag":     `{"type":"array","maxItems":3,"items":{"type":"string","minLength":1}}`,
		"query since":   `{"type":"string","format":"date-time"}`,
		"formData file": `{"type":"string","format":"binary"}`,
		"formData rate": `{"type":"number","format":"double","exclusiveMinimum":0,"maximum":5}`,
		"path rest":     `{"type":"string"}`,
	}
	required := map[string]bool{"path id": true, "header X-Code": true, "formData file": true, "formData rate": true, "path rest": true}
	count := 0
	for _, e := range endpoints {
		for _, p := range e.Parameters {
			name := p.In + " " + p.Name
			requireSchema(t, want[name], p.Schema, name)
			require.Equal(t, required[name], p.Required, name)
			count++
		}
	}
	require.Equal(t, len(want), count)
}

type (
	schemaItem struct {
		Size int16  `json:"size" binding:"lte=10"`
		Note string `json:"note,omitempty"`
	}
	schemaRequest struct {
		ID      int64                `uri:"id" json:"-"`
		Name    string               `json:"name" binding:"required,max=200"`
		Code    string               `json:"code" binding:"required,alphanum,startswith=x"`
		Grade   int                  `json:"grade" default:"2" binding:"oneof=1 2 3"`
		Kind    string               `json:"kind" binding:"omitempty,oneof='very good' bad"`
		Rate    float64              `json:"rate" binding:"required,gt=0,lt=1"`
		Items   []schemaItem         `json:"items" binding:"required,min=1,max=3,dive"`
		Words   map[string]string    `json:"words" binding:"max=2,dive,keys,max=5,endkeys,min=1"`
		Note    *string              `json:"note"`
		Clear   app.Optional[string] `json:"clear" binding:"omitempty,max=9"`
		Content []byte               `json:"content"`
		Sizes   []int64              `json:"sizes" default:"3,4"`
		Card    string               `json:"card" binding:"required_if=Kind bad,omitempty,email"`
	}
	schemaAnswer struct {
		At     time.Time     `json:"at"`
		Parent *schemaItem   `json:"parent"`
		Left   *schemaItem   `json:"left,omitzero"`
		Tree   *schemaAnswer `json:"tree"`
	}
)

// What the types and the rules say is said in JSON Schema, and what no schema says is listed.
func TestRoutesHaveSchemas(t *testing.T) {
	t.Parallel()
	serve := func(context.Context, schemaRequest) (schemaAnswer, error) { return schemaAnswer{}, nil }
	endpoints, components := endpointsOf(t, func(b *app.Boot) {
		b.PUT("/a/:id", app.Handle(serve))
		b.PATCH("/a/:id", app.Handle(serve))
	})
	const body = `"type":"object","required":["name","code","rate","items"],"properties":{
		"name":{"type":"string","minLength":1,"maxLength":200},
		"code":{"type":"string","minLength":1,"pattern":"^[a-zA-Z0-9]+$","allOf":[{"pattern":"^x"}]},
		"grade":{"type":"integer","format":"int64","enum":[1,2,3],"default":2},
		"kind":{"type":"string","enum":["very good","bad"]},
		"rate":{"type":"number","format":"double","exclusiveMinimum":0,"exclusiveMaximum":1},
		"words":{"type":"object","maxProperties":2,"additionalProperties":{"type":"string","minLength":1},"propertyNames":{"type":"string","maxLength":5}},
		"note":{"type":NOTE},
		"clear":{"type":["string","null"],"maxLength":9},
		"content":{"type":"string","contentEncoding":"base64"},
		"sizes":{"type":"array","items":{"type":"integer","format":"int64"},"default":[3,4]},
		"card":{"type":"string","format":"email","x-rules":[{"rule":"required_if","says":"required_if kind bad"},{"rule":"email","says":"email"}]},
		"items":{"type":"array","minItems":1,"maxItems":3,"items":{"$ref":"#/components/schemas/application_test.schemaItemInput"}}}`
	schemas := components.Schemas
	requireSchema(t, "{"+strings.Replace(body, "NOTE", `["string","null"]`, 1)+"}", schemas[endpoints[0].Body.RefName()], "PUT")
	requireSchema(t, "{"+strings.Replace(body, "NOTE", `"string"`, 1)+"}", schemas[endpoints[1].Body.RefName()], "PATCH: null is refused")
	require.Equal(t, []manifest.Rule{{Field: "card", Rule: "required_if", Says: "required_if kind bad"}, {Field: "card", Rule: "email", Says: "email"}}, endpoints[0].Rules)
	requireSchema(t, `{"type":"object","properties":{"size":{"type":"integer","format":"int32","minimum":-32768,"maximum":10},"note":{"type":"string"}}}`,
		schemas["application_test.schemaItemInput"], "received")
	requireSchema(t, `{"type":"object","required":["size"],"properties":{"size":{"type":"integer","format":"int32","minimum":-32768,"maximum":32767},
		"note":{"type":"string"}}}`, schemas["application_test.schemaItem"], "sent")
	requireSchema(t, `{"type":"object","required":["at","parent","tree"],"properties":{
		"at":{"type":"string","format":"date-time"},"left":{"$ref":"#/components/schemas/application_test.schemaItem"},
		"parent":{"anyOf":[{"$ref":"#/components/schemas/application_test.schemaItem"},{"type":"null"}]},
		"tree":{"anyOf":[{"$ref":"#/components/schemas/application_test.schemaAnswer"},{"type":"null"}]}}}`, schemas["application_test.schemaAnswer"], "answer")
}

// Paths that differ by a sign alone gave several operations of one plugin one ID, which no reader of documents takes.
func TestOperationsHaveIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	all, _ := endpointsOf(t, func(b *app.Boot) {
		serve := app.Handle(func(context.Context, describedEmpty) (item, error) { return item{}, nil })
		for _, path := range []string{"/z", "/a-b", "/a_b", "/a.b"} {
			b.GET(path, serve)
		}
	})
	ids := map[string]string{}
	for _, e := range all {
		require.Empty(t, ids[e.ID], "%s and %s are both %s", ids[e.ID], e.Path, e.ID)
		ids[e.ID] = e.Path
	}
	require.Len(t, ids, 4)
}

// kin is one of many types that hold each other.
type (
	kin struct {
		A *kin  `json:"a"`
		B *kinB `json:"b"`
		C *kinC `json:"c"`
		D *kinD `json:"d"`
		E *kinE `json:"e"`
		F *kinF `json:"f"`
		G *kinG `json:"g"`
		H *kinH `json:"h"`
		I *kinI `json:"i"`
		J *kinJ `json:"j"`
		K *kinK `json:"k"`
		L *kinL `json:"l"`
	}
	kinB kin
	kinC kin
	kinD kin
	kinE kin
	kinF kin
	kinG kin
	kinH kin
	kinI kin
	kinJ kin
	kinK kin
	kinL kin
)

// Each way through types that hold each other was looked at for rules, of which there are millions: the first look at the document
// never ended. Where no type has a rule that is listed, none is looked for.
func TestManyTypesThatHoldEachOtherAreDescribed(t *testing.T) {
	t.Parallel()
	all, components := endpointsOf(t, func(b *app.Boot) {
		b.POST("/a", app.Handle(func(context.Context, struct {
			Kin  *kin   `json:"kin"`
			Mail string `json:"mail" binding:"required,email"`
		},
		) (describedEmpty, error) {
			return describedEmpty{}, nil
		}))
	})
	require.Len(t, components.Schemas, 13)
	require.Equal(t, []manifest.Rule{{Field: "mail", Rule: "email", Says: "email"}}, all[0].Rules)
}

// An idempotent endpoint takes the header Idempotency-Key, which its request type may have as well, and may answer 409 and 422.
func TestAnIdempotentEndpointIsDescribed(t *testing.T) {
	t.Parallel()
	type keyed struct {
		Key string `header:"idempotency-key" json:"-" binding:"required"`
	}
	endpoints, _ := endpointsOf(t, func(b *app.Boot) {
		b.POST("/a", app.Handle(func(context.Context, describedEmpty) (item, error) { return item{}, nil }), app.Idempotent())
		b.POST("/b", app.Handle(func(context.Context, keyed) (item, error) { return item{}, nil }), app.Idempotent())
		b.POST("/c", app.Handle(func(context.Context, describedEmpty) (item, error) { return item{}, nil }))
	})
	require.Len(t, endpoints[0].Parameters, 1)
	key := endpoints[0].Parameters[0]
	require.Equal(t, "header Idempotency-Key", key.In+" "+key.Name)
	require.False(t, key.Required)
	require.NotEmpty(t, key.Schema.Description)
	require.Len(t, endpoints[1].Parameters, 1)
	require.True(t, endpoints[1].Parameters[0].Required)
	for i, e := range endpoints {
		codes := map[int][]string{}
		for _, f := range e.Failures {
			codes[f.Status] = f.Codes
		}
		require.Equal(t, i < 2, e.Idempotent)
		require.Equal(t, i < 2, slices.Equal(codes[http.StatusConflict], []string{"conflict"}), codes)
		require.Equal(t, i < 2, slices.Equal(codes[http.StatusUnprocessableEntity], []string{"invalid"}), codes)
	}
}
