package host_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
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
		Rate float64   `form:"rate" json:"-" binding:"gt=0,lte=5"`
	}
	describedEmpty struct{}
)

// What is generated from "routes --json" is all there.
func TestRoutesDescribeTheAPI(t *testing.T) {
	t.Parallel()
	guard := func(ctx context.Context, _ *http.Request) (context.Context, error) { return ctx, nil }
	modules := fx.Options(infra(), app.Domain("shop", boots("shop.all", func(b *app.Boot) {
		b.GET("/a/:id", app.Handle(func(context.Context, describedQuery) (item, error) { return item{}, nil }), app.Guard(guard), app.Secured("bearer"))
		b.POST("/b", app.Handle(func(context.Context, describedUpload) (item, error) { return item{}, nil }), app.Fails(app.Conflict))
		b.GET("/c", app.Handle(func(context.Context, describedEmpty) (app.Binary, error) { return app.Binary{}, nil }))
	})))
	code, stdout, stderr := run(t, modules, inTemp(t), "routes", "--json")
	require.Zero(t, code, stderr)
	var routes []struct {
		Failures []int            `json:"failures"`
		Security []string         `json:"security"`
		Fields   []map[string]any `json:"fields"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &routes))

	require.Equal(t, []string{"bearer"}, routes[0].Security)
	require.Equal(t, []int{400, 401, 403, 422, 500, 503, 504}, routes[0].Failures)
	require.Equal(t, []int{400, 408, 409, 413, 415, 422, 500, 503, 504, 507}, routes[1].Failures)
	require.NotContains(t, routes[2].Failures, 422)

	described, schemas := map[string]map[string]any{}, map[string]any{}
	for _, f := range append(routes[0].Fields, routes[1].Fields...) {
		name := f["name"].(string)
		delete(f, "name")
		schemas[name] = f["schema"]
		delete(f, "schema")
		described[name] = f
	}
	const here = "plugboard/infra/host_test"
	field := func(in, typ, owner, name string, more map[string]any) map[string]any {
		all := map[string]any{"in": in, "type": typ, "package": here, "struct": owner, "field": name}
		maps.Copy(all, more)
		return all
	}
	require.Equal(t, map[string]map[string]any{
		"limit": field("query", "integer", "PageQuery", "Limit", map[string]any{
			"package": "plugboard/app", "default": "20", "minimum": "1", "maximum": "100", "example": "20",
		}),
		"offset": field("query", "integer", "PageQuery", "Offset", map[string]any{
			"package": "plugboard/app", "default": "0", "minimum": "0", "maximum": "10000", "example": "0",
		}),
		"cursor": field("query", "string", "PageQuery", "Cursor", map[string]any{"package": "plugboard/app", "max_length": "4096"}),
		"total":  field("query", "boolean", "PageQuery", "Total", map[string]any{"package": "plugboard/app", "example": "false"}),
		"id": field("path", "integer", "describedQuery", "ID", map[string]any{
			"required": true, "minimum": "1", "maximum": "9", "example": "1",
		}),
		"sort":   field("query", "string", "describedQuery", "Sort", map[string]any{"enum": []any{"id", "name"}, "example": "name"}),
		"X-Code": field("header", "string", "describedQuery", "Code", map[string]any{"required": true, "min_length": "4", "max_length": "4"}),
		"tag":    field("query", "string", "describedQuery", "Tags", map[string]any{"array": true}),
		"since":  field("query", "string", "describedQuery", "Since", map[string]any{"format": "date-time"}),
		"file":   field("formData", "file", "describedUpload", "File", map[string]any{"required": true}),
		"rate":   field("formData", "number", "describedUpload", "Rate", map[string]any{"above": "0", "maximum": "5"}),
	}, described)
	require.Equal(t, map[string]any{"type": "string", "minLength": 4.0, "maxLength": 4.0}, schemas["X-Code"])
	require.Equal(t, map[string]any{"type": "array", "maxItems": 3.0, "items": map[string]any{"type": "string", "minLength": 1.0}}, schemas["tag"])
	require.Equal(t, map[string]any{"type": "string", "format": "date-time"}, schemas["since"])
	require.Equal(t, map[string]any{"type": "string", "format": "binary"}, schemas["file"])
	require.Equal(t, map[string]any{
		"type": "number", "format": "double", "minimum": 0.0, "exclusiveMinimum": true, "maximum": 5.0,
	}, schemas["rate"])
}

type (
	schemaItem struct {
		Size int16  `json:"size" binding:"lte=10"`
		Note string `json:"note,omitempty"`
	}
	schemaRequest struct {
		ID      int64                `uri:"id" json:"-"`
		Name    string               `json:"name" binding:"required,max=200"`
		Mail    string               `json:"mail" binding:"omitempty,email"`
		Code    string               `json:"code" binding:"alphanum,startswith=x"`
		Day     string               `json:"day" binding:"datetime=2006-01-02"`
		Grade   int                  `json:"grade" default:"2" binding:"oneof=1 2 3"`
		Kind    string               `json:"kind" binding:"oneof='very good' bad"`
		Rate    float64              `json:"rate" binding:"gt=0,lt=1"`
		Tall    uint8                `json:"tall" binding:"gt=2"`
		Items   []schemaItem         `json:"items" binding:"min=1,max=3,unique,dive"`
		Words   map[string]string    `json:"words" binding:"max=2,dive,keys,max=5,endkeys,min=1"`
		Note    *string              `json:"note"`
		Clear   app.Optional[string] `json:"clear" binding:"omitempty,max=9"`
		Content []byte               `json:"content"`
		Sizes   []int64              `json:"sizes" default:"3,4"`
		None    []string             `json:"none" default:""`
	}
	schemaAnswer struct {
		At      time.Time     `json:"at"`
		Parent  *schemaItem   `json:"parent"`
		Left    *schemaItem   `json:"left,omitzero"`
		Tree    *schemaAnswer `json:"tree"`
		Ratio   float32       `json:"ratio" example:"0.5"`
		Numbers [3]int32      `json:"numbers"`
		Lenient schemaLenient `json:"lenient"`
	}
	// schemaLenient reads itself, and is written as the struct that it is.
	schemaLenient struct {
		Size int64 `json:"size"`
	}
)

func (*schemaLenient) UnmarshalJSON([]byte) error { return nil }

// What the types and the rules say is said in the terms of OpenAPI 3.0.
func TestRoutesHaveSchemas(t *testing.T) {
	t.Parallel()
	serve := func(context.Context, schemaRequest) (schemaAnswer, error) { return schemaAnswer{}, nil }
	modules := fx.Options(infra(), app.Domain("shop", boots("shop.all", func(b *app.Boot) {
		b.PUT("/a/:id", app.Handle(serve))
		b.PATCH("/a/:id", app.Handle(serve))
	})))
	code, stdout, stderr := run(t, modules, inTemp(t), "routes", "--json")
	require.Zero(t, code, stderr)
	var routes []struct {
		Data   json.RawMessage `json:"data"`
		Fields []struct {
			Name   string          `json:"name"`
			Schema json.RawMessage `json:"schema"`
		} `json:"fields"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &routes))
	want := map[string]string{
		"id":      `{"type":"integer","format":"int64"}`,
		"name":    `{"type":"string","minLength":1,"maxLength":200}`,
		"mail":    `{"type":"string","format":"email"}`,
		"code":    `{"type":"string","pattern":"^[a-zA-Z0-9]+$"}`,
		"day":     `{"type":"string","format":"date"}`,
		"grade":   `{"type":"integer","format":"int64","enum":[1,2,3],"default":2}`,
		"kind":    `{"type":"string","enum":["very good","bad"]}`,
		"rate":    `{"type":"number","format":"double","minimum":0,"exclusiveMinimum":true,"maximum":1,"exclusiveMaximum":true}`,
		"tall":    `{"type":"integer","format":"int32","minimum":3,"maximum":255}`,
		"words":   `{"type":"object","maxProperties":2,"additionalProperties":{"type":"string","minLength":1}}`,
		"note":    `{"type":"string","nullable":true}`,
		"clear":   `{"type":"string","nullable":true,"maxLength":9}`,
		"content": `{"type":"string","format":"byte"}`,
		"sizes":   `{"type":"array","items":{"type":"integer","format":"int64"},"default":[3,4]}`,
		"none":    `{"type":"array","items":{"type":"string"},"default":[]}`,
		"items": `{"type":"array","minItems":1,"maxItems":3,"uniqueItems":true,"items":{"type":"object","properties":{
			"size":{"type":"integer","format":"int32","minimum":-32768,"maximum":10},"note":{"type":"string"}}}}`,
	}
	require.Len(t, routes[0].Fields, len(want))
	for _, f := range routes[0].Fields {
		require.JSONEq(t, want[f.Name], string(f.Schema), f.Name)
	}
	const item = `{"type":"object","nullable":true,"required":["size"],"properties":{
		"size":{"type":"integer","format":"int32","minimum":-32768,"maximum":32767},"note":{"type":"string"}}}`
	require.JSONEq(t, `{"type":"object","required":["at","parent","tree","ratio","numbers","lenient"],"properties":{
		"at":{"type":"string","format":"date-time"},
		"parent":`+item+`, "left":`+strings.Replace(item, `"nullable":true,`, "", 1)+`,
		"tree":{"type":"object","nullable":true},
		"ratio":{"type":"number","format":"float","example":0.5},
		"numbers":{"type":"array","minItems":3,"maxItems":3,"items":{"type":"integer","format":"int32"}},
		"lenient":{"type":"object","required":["size"],"properties":{"size":{"type":"integer","format":"int64"}}}}}`, string(routes[0].Data))

	want["note"] = `{"type":"string"}` // in a PATCH, null is refused
	for _, f := range routes[1].Fields {
		require.JSONEq(t, want[f.Name], string(f.Schema), f.Name)
	}
}
