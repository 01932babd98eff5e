package host_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
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
		b.GET("/a/:id", app.Handle(func(context.Context, describedQuery) (item, error) { return item{}, nil }), app.Guard(guard))
		b.POST("/b", app.Handle(func(context.Context, describedUpload) (item, error) { return item{}, nil }), app.Fails(app.Conflict))
		b.GET("/c", app.Handle(func(context.Context, describedEmpty) (app.Binary, error) { return app.Binary{}, nil }))
	})))
	code, stdout, stderr := run(t, modules, inTemp(t), "routes", "--json")
	require.Zero(t, code, stderr)
	var routes []struct {
		Failures []int            `json:"failures"`
		Fields   []map[string]any `json:"fields"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &routes))

	require.Equal(t, []int{400, 401, 403, 422, 500, 503, 504}, routes[0].Failures)
	require.Equal(t, []int{400, 408, 409, 413, 415, 422, 500, 503, 504, 507}, routes[1].Failures)
	require.NotContains(t, routes[2].Failures, 422)

	described := map[string]map[string]any{}
	for _, f := range append(routes[0].Fields, routes[1].Fields...) {
		name := f["name"].(string)
		delete(f, "name")
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
			"package": "plugboard/app", "default": "0", "minimum": "0", "example": "0",
		}),
		"id": field("path", "integer", "describedQuery", "ID", map[string]any{
			"required": true, "above": "0", "minimum": "1", "below": "10", "maximum": "9", "example": "1",
		}),
		"sort":   field("query", "string", "describedQuery", "Sort", map[string]any{"enum": []any{"id", "name"}, "example": "name"}),
		"X-Code": field("header", "string", "describedQuery", "Code", map[string]any{"required": true, "min_length": "4", "max_length": "4"}),
		"tag":    field("query", "string", "describedQuery", "Tags", map[string]any{"array": true}),
		"since":  field("query", "string", "describedQuery", "Since", map[string]any{"format": "date-time"}),
		"file":   field("formData", "file", "describedUpload", "File", map[string]any{"required": true}),
		"rate":   field("formData", "number", "describedUpload", "Rate", map[string]any{"above": "0", "maximum": "5"}),
	}, described)
}
