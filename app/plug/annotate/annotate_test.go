package annotate_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/annotate"
	"plugboard/app/plug/docs"
	"plugboard/infra/host/manifest"
)

const plugin = `package plugins

// SellThingRequest is the body of POST /things/{id}.
type SellThingRequest struct {
	// ID is the thing to sell.
	ID    int64
	Price float64
}

type SellThingResponse = app.Response[SellThingData]

func (p *SellThingPlugin) OnBoot(b *app.Boot) {
	b.POST("/things/:id", app.Handle(p.Execute),
		app.Tags("Things"))
	b.GET("/things/:id/picture", app.Handle(p.picture), app.Tags("Things"))
	b.Raw(http.MethodGet, "/feed", p.feed, app.Produces("text/event-stream"))
}

// Execute sells a thing. It is gone then.
func (p *SellThingPlugin) Execute(ctx context.Context, req SellThingRequest) (SellThingData, error) {
	return SellThingData{}, nil // stays   as it is
}

func (p *SellThingPlugin) picture(ctx context.Context, req PictureRequest) (app.Binary, error) {
	return app.Binary{}, nil
}

func (p *SellThingPlugin) feed(c *gin.Context) {}
`

func routes() []manifest.Endpoint {
	id := manifest.Parameter{
		Name: "id", In: "path", Required: true, Schema: &manifest.Schema{
			Type: manifest.Types{"integer"}, Format: "int64", Minimum: "1", Comment: "example.org/m/domains/shop/plugins.SellThingRequest.ID",
		},
	}
	list := manifest.Parameter{Name: "tag", In: "query", Schema: &manifest.Schema{
		Type: manifest.Types{"array"}, Items: &manifest.Schema{Type: manifest.Types{"string"}, Enum: []any{"new", "old"}},
	}}
	session := manifest.Parameter{Name: "session", In: "cookie", Schema: &manifest.Schema{Type: manifest.Types{"string"}}}
	failures := []manifest.Failure{{Status: 400, Codes: []string{"malformed"}}, {Status: 404, Codes: []string{"not_found"}}}
	return []manifest.Endpoint{
		{
			ID: "shop.sell_thing", Method: "POST", Path: "/things/:id", Plugin: "shop.sell_thing", Source: "domains/shop/plugins/sell_thing.go:13", Kind: "io",
			Statuses: []int{201, 202}, Failures: failures, Accepts: []string{"application/json", "text/x"},
			Produces: []string{"application/json"}, Tags: []string{"Things", "All"}, Parameters: []manifest.Parameter{id, list, session},
			Body: &manifest.Schema{Ref: manifest.RefPrefix + "SellThingRequest"}, BodyRequired: true,
		},
		{
			ID: "shop.sell_thing.picture", Method: "GET", Path: "/things/:id/picture", Plugin: "shop.sell_thing", Source: "domains/shop/plugins/sell_thing.go:15",
			Kind: "io", Statuses: []int{200, 304}, Failures: failures[:1], Binary: true, Produces: []string{"application/octet-stream"},
		},
		{
			ID: "shop.sell_thing.feed", Method: "GET", Path: "/feed", Plugin: "shop.sell_thing", Source: "domains/shop/plugins/sell_thing.go:16",
			Kind: "raw", Statuses: []int{200}, Failures: failures[:1], Produces: []string{"text/event-stream"}, Response: "app.Response[example.org/m/domains/shop/plugins.FeedData]",
			Deprecated: &manifest.Deprecation{Since: "2026-01-31"},
		},
		{Method: "GET", Path: "/raw", Plugin: "shop.sell_thing", Source: "domains/shop/plugins/sell_thing.go:99", Kind: "raw", Hidden: true},
	}
}

const file = "domains/shop/plugins/sell_thing.go"

// files annotates the module m in a folder.
func files(dir string, routes []manifest.Endpoint) (map[string][]byte, error) {
	return annotate.Files(annotate.Sources{Dir: dir, Module: "example.org/m"}, routes)
}

func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
	return dir
}

func TestFilesAnnotates(t *testing.T) {
	t.Parallel()
	dir := write(t, plugin)
	changed, err := files(dir, routes())
	require.NoError(t, err)
	require.Equal(t, []string{file}, slices.Collect(maps.Keys(changed)))
	text := string(changed[file])
	require.Contains(t, text, `
// Execute sells a thing. It is gone then.
//
//	@ID				shop.sell_thing
//	@Summary		Sells a thing
//	@Description	It is gone then.
//	@Tags			Things,All
//	@Accept			json,text/x
//	@Produce		json
//	@Param			id		path		integer				true	"The thing to sell"	minimum(1)
//	@Param			tag		query		[]string			false	"The tag"			Enums(new, old)	collectionFormat(multi)
//	@Param			body	body		SellThingRequest	true	"The body of POST /things/{id}"
//	@Success		201		{object}	SellThingResponse
//	@Success		202		{object}	SellThingResponse
//	@Failure		400,404	{object}	app.Failure
//	@Router			/things/{id} [post]
//
//plug:derived 6551a7fc
func (p *SellThingPlugin) Execute(`)
	require.Contains(t, text, `
// picture serves GET /things/{id}/picture.
//
//	@ID			shop.sell_thing.picture
//	@Summary	GET /things/{id}/picture
//	@Produce	octet-stream,json
//	@Success	200	{file}	binary
//	@Success	304	"Not Modified"
//	@Failure	400	{object}	app.Failure
//	@Router		/things/{id}/picture [get]
//
//plug:derived 44b5b3c1
func (p *SellThingPlugin) picture(`)
	require.Contains(t, text, `
// feed serves GET /feed.
//
//	@ID			shop.sell_thing.feed
//	@Summary	GET /feed
//	@Produce	text/event-stream,json
//	@Success	200	{object}	app.Response[FeedData]
//	@Failure	400	{object}	app.Failure
//	@Deprecated
//	@Router		/feed [get]
//
//plug:derived`)
	bare := strings.NewReplacer("// picture serves GET /things/{id}/picture.\n", "", "// feed serves GET /feed.\n", "").Replace(withoutAnnotations(text))
	require.Equal(t, plugin, bare, "nothing else is touched")

	require.NoError(t, docs.Write(dir, changed))
	again, err := files(dir, routes())
	require.NoError(t, err)
	require.Empty(t, again, "a second run changes nothing")
}

// withoutAnnotations returns text as it was before.
func withoutAnnotations(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "//\t@") && !strings.HasPrefix(line, "//plug:derived ") && line != "//" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func TestFilesKeepsWhatIsWrittenByHand(t *testing.T) {
	t.Parallel()
	byHand := strings.Replace(plugin, "It is gone then.\n", `It is gone then.
//
//	@ID				something.else
//	@Summary		Sell
//	@Description	One.
//	@Description	Two.
//	@Tags			Wrong
//	@Param			gone	query	string	false	"Not there any more"
//	@Param			id	path	string	false	"Which"
//	@Param			body	body	Wrong	true	"What"
//	@Success		200	{object}	Wrong	"Not declared any more"
//	@Success		201	{object}	Wrong	"Sold"
//	@Header			201	{string}	Location	"Where"
//	@Success		202	{object}	Later	"Later"
//	@Failure		418	{object}	app.Failure
//	@Security		Token
//	@Router			/other [get]
`, 1)
	dir := write(t, byHand)
	changed, err := files(dir, routes())
	require.NoError(t, err)
	require.Contains(t, string(changed[file]), `
//	@ID				shop.sell_thing
//	@Summary		Sell
//	@Description	One.
//	@Description	Two.
//	@Tags			Things,All
//	@Accept			json,text/x
//	@Produce		json
//	@Param			id		path		integer				true	"Which"		minimum(1)
//	@Param			tag		query		[]string			false	"The tag"	Enums(new, old)	collectionFormat(multi)
//	@Param			body	body		SellThingRequest	true	"What"
//	@Success		201		{object}	SellThingResponse	"Sold"
//	@Header			201		{string}	Location			"Where"
//	@Success		202		{object}	Later				"Later"
//	@Failure		400,404	{object}	app.Failure
//	@Security		Token
//	@Router			/things/{id} [post]
func`)
}

// again annotates text and returns what becomes of it; a further run changes nothing.
func again(t *testing.T, text string) string {
	t.Helper()
	dir := write(t, text)
	changed, err := files(dir, routes())
	require.NoError(t, err)
	if after, ok := changed[file]; ok {
		text = string(after)
	}
	require.NoError(t, docs.Write(dir, changed))
	changed, err = files(dir, routes())
	require.NoError(t, err)
	require.Empty(t, changed)
	return text
}

// A summary and a description that came from the doc comment follow it. Once somebody has written one of them, both stay,
// until they are removed.
func TestFilesFollowsTheDocComment(t *testing.T) {
	t.Parallel()
	first := again(t, plugin)
	require.Contains(t, first, "@Summary\t\tSells a thing\n//\t@Description\tIt is gone then.\n")

	changed := again(t, strings.Replace(first, "Execute sells a thing. It is gone then.", "Execute sells one thing. Nobody gets it back.", 1))
	require.Contains(t, changed, "@Summary\t\tSells one thing\n//\t@Description\tNobody gets it back.\n")
	shorter := again(t, strings.Replace(changed, " Nobody gets it back.\n//\n", "\n//\n", 1))
	require.Contains(t, shorter, "@Summary\tSells one thing\n//\t@Tags")

	byHand := again(t, strings.Replace(first, "Sells a thing\n", "Sell\n", 1))
	require.Contains(t, byHand, "@Summary\t\tSell\n//\t@Description\tIt is gone then.\n")
	require.Equal(t, 2, strings.Count(byHand, "//plug:derived "), "the other handlers'")
	kept := again(t, strings.Replace(byHand, "Execute sells a thing. It is gone then.", "Execute sells one thing.", 1))
	require.Contains(t, kept, "@Summary\t\tSell\n//\t@Description\tIt is gone then.\n")

	removed := strings.NewReplacer("//\t@Summary\t\tSell\n", "", "//\t@Description\tIt is gone then.\n", "").Replace(kept)
	require.Contains(t, again(t, removed), "@Summary\tSells one thing\n")
}

// Lines for other tools stay where gofmt wants them.
func TestFilesKeepsDirectives(t *testing.T) {
	t.Parallel()
	text := again(t, strings.Replace(plugin, "It is gone then.\n", "It is gone then.\n//\n//nolint:revive // planted\n", 1))
	require.Contains(t, text, "[post]\n//\n//nolint:revive // planted\n//plug:derived 6551a7fc\nfunc")
}

func TestFilesThatCannotBeAnnotated(t *testing.T) {
	t.Parallel()
	all := routes()
	_, err := files(write(t, strings.ReplaceAll(plugin, "p.picture", "p.Execute")), all)
	require.ErrorContains(t, err, "have one handler, Execute")

	_, err = files(write(t, strings.ReplaceAll(plugin, "app.Handle(p.Execute)", "handler")), all)
	require.ErrorContains(t, err, "no handler is found on line 13")

	_, err = files(write(t, strings.ReplaceAll(plugin, "p.feed", "func(c *gin.Context) {}")), all)
	require.ErrorContains(t, err, "the handler on line 16 cannot be annotated")

	_, err = files(write(t, plugin+"}"), all)
	require.ErrorContains(t, err, "parse")

	_, err = files(t.TempDir(), all)
	require.ErrorContains(t, err, "read plugin")
}

func TestCheckNames(t *testing.T) {
	t.Parallel()
	require.NoError(t, annotate.CheckNames([]byte(`{"definitions":{"plugins.CreateProductData": {}}}`)))
	err := annotate.CheckNames([]byte(`{"definitions":{"plugboard_domains_shop_plugins.Item": {}}}`))
	require.EqualError(t, err, "the domain shop and another both declare Item, so the schema of each is renamed (plugboard_domains_shop_plugins.Item): give one the name of its feature")
}
