package httpserver_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver"
	"plugboard/infra/httpserver/testdata/models"
)

// handle makes a handler that is never called.
func handle[Req, Res any]() app.Handler {
	return app.Handle(func(context.Context, Req) (Res, error) { var r Res; return r, nil })
}

type (
	nothing    struct{}
	untagged   struct{ Name string }
	twoSources struct {
		ID int `json:"id" form:"id"`
	}
	unnamed struct {
		ID int `form:""`
	}
	jsonBody struct {
		Name string `json:"name"`
	}
	idRequest struct {
		ID int64 `uri:"id"`
	}
	mapInQuery struct {
		M map[string]string `form:"m"`
	}
	withContext struct {
		Ctx context.Context `json:"ctx"` //nolint:containedctx // it is the mistake under test
	}
	withJob struct {
		Job *app.Job `json:"job"`
	}
	withChan struct {
		C chan int `json:"c"`
	}
	unknownRule struct {
		Name string `json:"name" binding:"required,nosuchrule"`
	}
	textAsText struct {
		All   []int64 `json:"all,string"` //nolint:staticcheck // it is the mistake under test
		Fine  int     `json:"fine,string"`
		Also  *uint8  `json:"also,string"`
		Ratio float32 `json:"ratio,string"`
	}
	badParameter struct {
		Name string `json:"name" binding:"required,min=abc"`
	}
	nestedRule struct {
		Items []struct {
			Name string `json:"name" binding:"nosuchrule"`
		} `json:"items" binding:"dive"`
	}
	ruled struct {
		Name string `json:"name" binding:"required"`
	}
	undived struct {
		Items []ruled `json:"items" binding:"max=9"`
	}
	undivedDeep struct {
		Items app.Optional[map[string][]*struct {
			Inner ruled `json:"inner"`
		}] `json:"items" binding:"dive"`
	}
	diskRule struct {
		Name string `json:"name" binding:"file"`
	}
	diveRule struct {
		Name string `json:"name" binding:"dive,min=1"`
	}
	badDefault struct {
		Limit int `form:"limit" default:"many"`
	}
	unexportedTag struct {
		limit int `form:"limit"`
	}
	hostHeader struct {
		Host string `header:"host"`
	}
	fileInJSON struct {
		Name  string    `json:"name"`
		Image *app.File `form:"image"`
	}
	fileInHeader struct {
		Image *app.File `header:"image"`
	}
	nestedUntagged struct {
		Inner struct{ Name string } `json:"inner"`
	}
	durationBody struct {
		Wait time.Duration `json:"wait"`
	}
	optionBody struct {
		ID int64 `json:"id,string"`
	}
	sameName struct {
		A int `json:"a"`
		secondA
	}
	secondA struct {
		B int `json:"a"`
	}
	sameQuery struct {
		A int `form:"a"`
		B int `form:"a"`
	}
	intKeys struct {
		M map[int]string `json:"m"`
	}
	selfDecoding struct {
		Name string `json:"name"`
	}
	secretResponse struct {
		Hash string `json:"hash" secret:"true"`
	}
	gormResponse struct {
		ID int64 `json:"id" gorm:"primaryKey"`
	}
	deepModel struct {
		Items map[string][]*models.Product `json:"items"`
	}
	anyResponse struct {
		V any `json:"v"`
	}
	rawResponse struct {
		V json.RawMessage `json:"v"`
	}
	untaggedResponse struct{ ID int64 }
	funcResponse     struct {
		F func() `json:"f"`
	}
	durationResponse struct {
		Took time.Duration `json:"took"`
	}
)

func (selfDecoding) UnmarshalJSON([]byte) error { return nil }

var _ = unexportedTag{}.limit

func TestCheckNamesEveryMistake(t *testing.T) {
	t.Parallel()
	raw := func(*gin.Context) {}
	ok := handle[nothing, app.Empty]()
	cpu := app.HandleCPU(func(app.Job, nothing) (app.Empty, error) { return app.Empty{}, nil })
	cases := map[string]struct {
		boot func(b *app.Boot)
		want string
	}{
		"untagged field":       {func(b *app.Boot) { b.POST("/a", handle[untagged, app.Empty]()) }, `request field Name has no source: add one of json:"…", uri:"…", form:"…", header:"…"`},
		"two sources":          {func(b *app.Boot) { b.POST("/a", handle[twoSources, app.Empty]()) }, "request field ID has two sources, form and json: keep one"},
		"tag without a name":   {func(b *app.Boot) { b.GET("/a", handle[unnamed, app.Empty]()) }, "request field ID: the form tag needs a name"},
		"body on GET":          {func(b *app.Boot) { b.GET("/a", handle[jsonBody, app.Empty]()) }, "request field Name comes from a JSON body, which GET requests do not have: use form for the query"},
		"body on DELETE":       {func(b *app.Boot) { b.DELETE("/a", handle[jsonBody, app.Empty]()) }, "which DELETE requests do not have"},
		"field not in path":    {func(b *app.Boot) { b.GET("/a", handle[idRequest, app.Empty]()) }, `the request has a field uri:"id", but the path has no ":id"`},
		"path without field":   {func(b *app.Boot) { b.GET("/a/:id", ok) }, `the path has ":id", but the request has no field uri:"id"`},
		"map in query":         {func(b *app.Boot) { b.GET("/a", handle[mapInQuery, app.Empty]()) }, "request field M: a form value cannot be a map[string]string"},
		"context":              {func(b *app.Boot) { b.POST("/a", handle[withContext, app.Empty]()) }, "contains a context.Context: the host gives it to the handler"},
		"context as request":   {func(b *app.Boot) { b.POST("/a", handle[context.Context, app.Empty]()) }, "the request must be a struct, not context.Context"},
		"job":                  {func(b *app.Boot) { b.POST("/a", handle[withJob, app.Empty]()) }, "contains an app.Job"},
		"channel":              {func(b *app.Boot) { b.POST("/a", handle[withChan, app.Empty]()) }, "contains a chan, which no request can carry"},
		"unknown rule":         {func(b *app.Boot) { b.POST("/a", handle[unknownRule, app.Empty]()) }, `request field Name: the rule "nosuchrule" is unknown or does not fit a string`},
		"bad rule parameter":   {func(b *app.Boot) { b.POST("/a", handle[badParameter, app.Empty]()) }, `request field Name: the rule "min=abc" is unknown or does not fit a string`},
		"rule in a list":       {func(b *app.Boot) { b.POST("/a", handle[nestedRule, app.Empty]()) }, `the rule "nosuchrule" is unknown`},
		"rules nobody applies": {func(b *app.Boot) { b.POST("/a", handle[undived, app.Empty]()) }, `request field Items: its elements have rules, which nobody applies; add "dive" to its binding`},
		"rules deep inside":    {func(b *app.Boot) { b.PATCH("/a", handle[undivedDeep, app.Empty]()) }, `request field Items: its elements have rules, which nobody applies; add "dive" to its binding`},
		"rule that does I/O":   {func(b *app.Boot) { b.POST("/a", handle[diskRule, app.Empty]()) }, `the rule "file" looks at the disk or the network`},
		"dive into a string":   {func(b *app.Boot) { b.POST("/a", handle[diveRule, app.Empty]()) }, `the rule "dive" does not fit a string`},
		"default":              {func(b *app.Boot) { b.GET("/a", handle[badDefault, app.Empty]()) }, `request field Limit: the default "many" does not fit: must be a whole number`},
		"unexported field":     {func(b *app.Boot) { b.GET("/a", handle[unexportedTag, app.Empty]()) }, "request field limit is not exported and can never be filled"},
		"host header":          {func(b *app.Boot) { b.GET("/a", handle[hostHeader, app.Empty]()) }, "Host is not among the headers a request can be given"},
		"file beside JSON":     {func(b *app.Boot) { b.POST("/a", handle[fileInJSON, app.Empty]()) }, "the request takes a file, which needs POST, PUT or PATCH and no JSON fields"},
		"file from a header":   {func(b *app.Boot) { b.POST("/a", handle[fileInHeader, app.Empty]()) }, "request field Image: a file comes from a form, not from header"},
		"nested untagged":      {func(b *app.Boot) { b.POST("/a", handle[nestedUntagged, app.Empty]()) }, `request field Inner.Name has no source: add json:"…"`},
		"duration":             {func(b *app.Boot) { b.POST("/a", handle[durationBody, app.Empty]()) }, "request field Wait: a time.Duration has no JSON form"},
		"json option":          {func(b *app.Boot) { b.POST("/a", handle[optionBody, app.Empty]()) }, `request field ID: the json option "string" is not supported in requests`},
		"same JSON name":       {func(b *app.Boot) { b.POST("/a", handle[sameName, app.Empty]()) }, `request field secondA.B: another field is already filled from "a"`},
		"same parameter":       {func(b *app.Boot) { b.GET("/a", handle[sameQuery, app.Empty]()) }, `request field B: another field is already filled from "a"`},
		"map keys":             {func(b *app.Boot) { b.POST("/a", handle[intKeys, app.Empty]()) }, "request field M: the keys of a map[int]string must be plain strings"},
		"own decoder":          {func(b *app.Boot) { b.POST("/a", handle[selfDecoding, app.Empty]()) }, "must not decode itself"},
		"pointer request":      {func(b *app.Boot) { b.POST("/a", handle[*jsonBody, app.Empty]()) }, "the request must be a struct, not *httpserver_test.jsonBody"},
		"zero handler":         {func(b *app.Boot) { b.GET("/a", app.Handler{}) }, "the endpoint has no handler: make one with app.Handle or app.HandleCPU"},
		"no timeout":           {func(b *app.Boot) { b.GET("/a", ok, app.Timeout(0)) }, "the timeout 0s must be greater than 0; 0, for none, is for raw endpoints alone"},
		"negative timeout":     {func(b *app.Boot) { b.Raw("GET", "/a", raw, app.Timeout(-1)) }, "the timeout -1ns must be greater than 0"},
		"endless timeout":      {func(b *app.Boot) { b.GET("/a", ok, app.Timeout(1<<63-1)) }, "the timeout 2562047h47m16.854775807s must be at most 168h0m0s"},
		"endless body":         {func(b *app.Boot) { b.GET("/a", ok, app.BodyLimit(1<<63-1)) }, "the body limit 9223372036854775807 must be at most 1099511627776"},
		"body limit":           {func(b *app.Boot) { b.GET("/a", ok, app.BodyLimit(-1)) }, "the body limit -1 must not be negative"},
		"failure as success":   {func(b *app.Boot) { b.GET("/a", ok, app.Status(404)) }, "app.Status declares statuses of success, from 200 to 399, and not 404"},
		"secured by nothing":   {func(b *app.Boot) { b.GET("/a", ok, app.Secured("bearer")) }, "app.Secured documents what a guard asks for, and there is none: add app.Guard"},
		"idempotent GET":       {func(b *app.Boot) { b.GET("/a", ok, app.Idempotent()) }, "app.Idempotent is for methods that change something; GET repeats safely without it"},
		"idempotent raw":       {func(b *app.Boot) { b.Raw("POST", "/a", raw, app.Idempotent()) }, "app.Idempotent is for endpoints made with app.Handle; the host does not see what a raw one answers"},
		"idempotent CPU":       {func(b *app.Boot) { b.POST("/a", cpu, app.Idempotent()) }, "app.Idempotent is for endpoints made with app.Handle; a CPU-bound one has no database"},
		"idempotent binary":    {func(b *app.Boot) { b.POST("/a", handle[nothing, app.Binary](), app.Idempotent()) }, "app.Idempotent is for endpoints that answer with JSON; app.Binary is not kept for repeats"},
		"nil guard":            {func(b *app.Boot) { b.GET("/a", ok, app.Guard(nil)) }, "a guard is nil"},
		"method":               {func(b *app.Boot) { b.Raw("get", "/a", raw) }, `"get" is not an HTTP method`},
		"relative path":        {func(b *app.Boot) { b.GET("a", ok) }, `the path must begin with "/"`},
		"trailing slash":       {func(b *app.Boot) { b.GET("/a/", ok) }, `the path must have neither "//" nor a "/" at its end`},
		"path characters":      {func(b *app.Boot) { b.GET("/a b", ok) }, `the path segment "a b" has other characters than`},
		"parameter name":       {func(b *app.Boot) { b.GET("/:", ok) }, `the path segment ":" must be named`},
		"rest in the middle":   {func(b *app.Boot) { b.GET("/*a/b", ok) }, `the path segment "*a" takes the rest of the path and must be the last`},
		"parameter twice":      {func(b *app.Boot) { b.GET("/:a/:a", ok) }, `the path has two parameters named "a"`},
		"dots":                 {func(b *app.Boot) { b.GET("/a/../b", ok) }, `the path must not have the segment ".."`},
		"model in response":    {func(b *app.Boot) { b.GET("/a", handle[nothing, models.Product]()) }, "the response holds the database entity models.Product; copy the fields it needs into a type of its own"},
		"model deep inside":    {func(b *app.Boot) { b.GET("/a", handle[nothing, deepModel]()) }, "response field deepModel.Items holds the database entity models.Product"},
		"gorm tag":             {func(b *app.Boot) { b.GET("/a", handle[nothing, gormResponse]()) }, "response field gormResponse.ID has a gorm tag"},
		"secret":               {func(b *app.Boot) { b.GET("/a", handle[nothing, secretResponse]()) }, "response field secretResponse.Hash is secret and must not be in a response"},
		"any":                  {func(b *app.Boot) { b.GET("/a", handle[nothing, anyResponse]()) }, "response field anyResponse.V holds interface {}, which can be anything; name the fields, or say app.Open()"},
		"raw JSON":             {func(b *app.Boot) { b.GET("/a", handle[nothing, rawResponse]()) }, "response field rawResponse.V holds json.RawMessage, which can be anything"},
		"map of any":           {func(b *app.Boot) { b.GET("/a", handle[nothing, map[string]any]()) }, "the response holds interface {}"},
		"untagged response":    {func(b *app.Boot) { b.GET("/a", handle[nothing, untaggedResponse]()) }, `response field untaggedResponse.ID has no name: add json:"…"`},
		"function":             {func(b *app.Boot) { b.GET("/a", handle[nothing, funcResponse]()) }, "response field funcResponse.F holds a func, which has no JSON form"},
		"duration response":    {func(b *app.Boot) { b.GET("/a", handle[nothing, durationResponse]()) }, "response field durationResponse.Took holds a time.Duration"},
		"envelope returned":    {func(b *app.Boot) { b.GET("/a", handle[nothing, app.Response[int]]()) }, "it returns the data alone, the host adds the envelope"},
		"binary by pointer":    {func(b *app.Boot) { b.GET("/a", handle[nothing, *app.Binary]()) }, "the response must be app.Binary itself"},
		"duplicate route":      {func(b *app.Boot) { b.GET("/a", ok); b.GET("/a", ok) }, "the route conflicts with that of GET /a of plugin shop.feature"},
		"differing names":      {func(b *app.Boot) { b.Raw("GET", "/u/:id", raw); b.Raw("GET", "/u/:user/x", raw) }, `they call the same segment ":user" and ":id"; use one name`},
		"names of two methods": {func(b *app.Boot) { b.Raw("GET", "/u/:id", raw); b.Raw("DELETE", "/u/:user", raw) }, `it is the path of plugin shop.feature`},
		"text as text":         {func(b *app.Boot) { b.GET("/a", handle[nothing, textAsText]()) }, "response field textAsText.All has the json option string, which is for numbers alone"},
		"rest beside static":   {func(b *app.Boot) { b.Raw("GET", "/f/x", raw); b.Raw("GET", "/f/*rest", raw) }, `"*rest" takes every path there`},
		"static beside rest":   {func(b *app.Boot) { b.Raw("GET", "/f/*rest", raw); b.Raw("GET", "/f/x", raw) }, `"*rest" already takes every path there`},
		"rest twice":           {func(b *app.Boot) { b.Raw("GET", "/f/*rest", raw); b.Raw("GET", "/f/*rest", raw) }, "they are the same route"},
		"HEAD of another GET":  {func(b *app.Boot) { b.Raw("HEAD", "/u/:a", raw); b.Raw("GET", "/u/:b", raw) }, `they call the same segment ":b" and ":a"`},
		"reserved path":        {func(b *app.Boot) { b.GET("/livez", ok) }, "conflicts with that of the host, which serves it itself"},
		"reserved subtree":     {func(b *app.Boot) { b.GET("/docs/x", ok) }, "conflicts with that of the host, which serves it itself"},
		"no pool": {func(b *app.Boot) {
			b.POST("/a", app.HandleCPU(func(app.Job, nothing) (app.Empty, error) { return app.Empty{}, nil }))
		}, "the endpoint needs the work pool"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httpserver.New(httpserver.Params{HTTP: benchSettings()})
			problems := s.Check(endpointsOf(t, "shop.feature", c.boot))
			require.NotEmpty(t, problems, "no problem found")
			var all []string
			for _, p := range problems {
				all = append(all, p.Error())
				require.Contains(t, p.Error(), "plugin shop.feature (")
				require.Contains(t, p.Error(), "check_test.go:")
			}
			require.Equal(t, 1, strings.Count(strings.Join(all, "\n"), c.want), "%q is not reported once: %q", c.want, all)
		})
	}
}

func TestCheckReportsEverythingAtOnceAndBothOwners(t *testing.T) {
	t.Parallel()
	first := endpointsOf(t, "a.one", func(b *app.Boot) {
		b.GET("/things/:id", handle[idRequest, app.Empty]())
		b.POST("/x", handle[untagged, untaggedResponse]())
	})
	second := endpointsOf(t, "b.two", func(b *app.Boot) { b.Raw("GET", "/things/:thing/parts", func(*gin.Context) {}) })
	s := httpserver.New(httpserver.Params{HTTP: benchSettings()})
	problems := s.Check(append(first, second...))
	require.Len(t, problems, 3)
	conflict := problems[2].Error()
	require.Contains(t, conflict, "plugin b.two (")
	require.Contains(t, conflict, "GET /things/:id of plugin a.one (")
	require.Error(t, s.Mount(append(first, second...)))
}

func TestCheckAcceptsWhatIsRight(t *testing.T) {
	t.Parallel()
	type list struct {
		app.PageQuery
		Q    string     `form:"q" json:"-"`
		Tags []string   `form:"tag" default:"a,b"`
		From *time.Time `form:"from"`
		Key  string     `header:"x-key"`
	}
	type node struct {
		Name     string         `json:"name" binding:"required"`
		Children []node         `json:"children" binding:"dive"`
		Extra    map[string]any `json:"extra"`
		Labels   map[string]int `json:"labels" binding:"dive,keys,min=1,endkeys,gt=0"`
		private  int
	}
	require.Zero(t, node{}.private)
	serve(t, func(b *app.Boot) {
		b.GET("/items", handle[list, app.Page[jsonBody]]())
		b.GET("/items/:id", handle[idRequest, *jsonBody]())
		b.GET("/items/special", handle[nothing, []string]())
		b.POST("/items", handle[node, app.Empty](), app.Status(204))
		b.GET("/open", handle[nothing, map[string]any](), app.Open())
		b.GET("/files/:id", handle[idRequest, app.Binary]())
		b.Raw("GET", "/proxy/*path", func(*gin.Context) {}, app.Timeout(0))
	})
}

func TestRoutesDescribeWhatIsMounted(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.PATCH("/items/:id", handle[struct {
			ID   int64                `uri:"id"`
			Name app.Optional[string] `json:"name"`
		}, app.Empty](), app.Timeout(time.Second), app.BodyLimit(99), app.Status(200, 202), app.Fails(app.NotFound))
		b.POST("/cpu", app.HandleCPU(func(app.Job, nothing) (app.Binary, error) { return app.Binary{}, nil }))
		b.Raw("GET", "/raw", func(*gin.Context) {})
	})
	routes := k.Routes()
	require.Len(t, routes, 3)
	require.Equal(t, "PATCH", routes[0].Method)
	require.Equal(t, "test.plugin", routes[0].Plugin)
	require.Contains(t, routes[0].Source, "check_test.go:")
	require.Equal(t, []int{200, 202}, routes[0].Statuses)
	require.Equal(t, []string{"application/json", "application/merge-patch+json"}, routes[0].Accepts)
	require.Equal(t, time.Second, routes[0].Timeout)
	require.EqualValues(t, 99, routes[0].BodyLimit)
	require.Equal(t, []string{"io", "cpu", "raw"}, []string{routes[0].Kind, routes[1].Kind, routes[2].Kind})
	require.True(t, routes[1].Binary)
	require.Nil(t, routes[2].Request)
}
