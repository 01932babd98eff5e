package rules

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	plugdocs "plugboard/app/plug/docs"
	"plugboard/infra/host"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
)

// The service of these tests: a domain that takes parcels and tells of them.

type parcel struct {
	ID     int64  `gorm:"primaryKey"`
	Weight int64  `gorm:"not null"`
	To     string `gorm:"not null"`
}

func (parcel) TableName() string { return "parcels" }

type parcelRequest struct {
	ID     int64  `uri:"id" json:"-"`
	Notify bool   `form:"notify"`
	Theme  string `cookie:"theme"`
	Weight int64  `json:"weight" binding:"max=30"`
	To     string `json:"to,omitzero"`
}

type parcelTaken struct {
	ID int64 `json:"id"`
}

func (parcelTaken) Topic() string { return "parcel.taken" }

type parcelPlugin struct{}

// OnBoot registers everything that the rules look at.
func (p *parcelPlugin) OnBoot(b *app.Boot) {
	b.POST("/parcels/:id", app.Handle(p.Execute), app.Status(http.StatusCreated), app.Tags("Parcels"), app.Fails(app.Conflict))
	b.PUT("/hidden/:id", app.Handle(p.Execute), app.Hidden())
	b.Publishes(parcelTaken{})
	b.Subscribe(app.OnTx(p.hear), app.Named("parcels.hear"))
}

func (*parcelPlugin) Execute(_ context.Context, req parcelRequest) (parcelTaken, error) {
	return parcelTaken{ID: req.ID}, nil
}

func (*parcelPlugin) hear(context.Context, parcelTaken) error { return nil }

const parcelTable = "-- +goose Up\nCREATE TABLE parcels (id %s PRIMARY KEY, weight bigint NOT NULL);\n"

func parcels() app.DomainModule {
	return app.Domain("parcels",
		app.Migrations(fstest.MapFS{
			"sqlite/00001_parcels.sql":   {Data: fmt.Appendf(nil, parcelTable, "INTEGER")},
			"postgres/00001_parcels.sql": {Data: fmt.Appendf(nil, parcelTable, "bigint")},
		}),
		app.Models(parcel{}),
		app.Plugin[*parcelPlugin]("parcels.take_parcel", func() *parcelPlugin { return &parcelPlugin{} }))
}

// planted is the service with its manifest.
func planted(t *testing.T) (*site, manifest.Service) {
	t.Helper()
	s, err := newSite(".", fx.Options(host.Infra, parcels()), nil)
	require.NoError(t, err)
	service, err := s.unopened(t).Manifest()
	require.NoError(t, err)
	return s, service
}

func TestListedAndUnlistedPlugins(t *testing.T) {
	t.Parallel()
	service := manifest.Service{Domains: []manifest.Domain{{Plugins: []manifest.Plugin{
		{Name: "a.there", Source: "domains/a/plugins/there.go:7"},
		{Name: "a.there_too", Source: "example.org/shop/domains/a/plugins/there_too.go:7"},
		{Name: "a.astray", Source: "domains/a/a.go:7"},
		{Name: "b.of_a_library", Source: "example.org/library/plugins/of_a_library.go:7"},
	}}}}
	tree := fstest.MapFS{
		"domains/a/a.go": {}, "domains/a/plugins/doc.go": {}, "domains/a/plugins/there.go": {}, "domains/a/plugins/there_test.go": {},
		"domains/a/plugins/there_too.go": {},
	}
	problems, err := checkListed(tree, "example.org/shop", service)
	require.NoError(t, err)
	require.Equal(t, []string{"domains/a/a.go: declares the plugin a.astray; plugins are in domains/<domain>/plugins, one in a file"}, problems)

	delete(tree, "domains/a/a.go")
	tree["domains/a/plugins/lost.go"] = &fstest.MapFile{}
	problems, err = checkListed(tree, "example.org/shop", service)
	require.NoError(t, err)
	require.Equal(t, []string{"domains/a/plugins/lost.go: its plugin is not registered; list it in domains/a/a.go, and the domain in main.go"}, problems)
}

func TestAModelThatIsNoTableIsFound(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		s, _ := planted(t)
		problems := checkTables(t.Context(), s.running(t, db.URL))
		require.Equal(t, []string{"domain parcels: model rules.parcel: field To has no column to; write a migration, or change the model"}, problems)
	})
}

func TestADocumentThatIsNotOfTheRoutesIsFound(t *testing.T) {
	t.Parallel()
	s, service := planted(t)
	text, err := openapi.Write(service, openapi.About{Info: openapi.Info{Title: "Parcels", Version: "1"}}, wordless{})
	require.NoError(t, err)
	endpoints := endpointsOf(s.unopened(t))
	check := func(text string) []string {
		d, err := described([]byte(text))
		require.NoError(t, err)
		stale, err := checkStale([]byte(text), service)
		require.NoError(t, err)
		return append(checkRoutes(endpoints, d), stale...)
	}
	require.Empty(t, check(string(text)))
	for old, wrong := range map[string]struct{ with, says string }{
		`"/parcels/{id}"`:     {`"/parcels/{number}"`, "POST /parcels/{id} (parcels.take_parcel) is not described; run go tool plug docs"},
		`"post"`:              {`"put"`, "PUT /parcels/{id} is described, and no plugin serves it; run go tool plug docs"},
		`parcels.take_parcel`: {`parcels.takeParcel`, "id: registered parcels.take_parcel, described parcels.takeParcel"},
		`"201"`:               {`"200"`, "statuses: registered [201], described [200]"},
		`"409"`:               {`"418"`, "fails with conflict, 409, which is not described"},
		"\"Parcels\"\n":       {"\"Others\"\n", "tags: registered [Parcels], described [Others]"},
		`"notify"`:            {`"inform"`, "operation /parcels/{id} post is described otherwise"},
		`"theme"`:             {`"look"`, "operation /parcels/{id} post is described otherwise"},
		`"maximum": 30`:       {`"maximum": 31`, "is described otherwise"},
		`"weight"`:            {`"mass"`, "is described otherwise"},
	} {
		require.Contains(t, string(text), old)
		require.Contains(t, strings.Join(check(strings.ReplaceAll(string(text), old, wrong.with)), "\n"), wrong.says, old)
	}
	require.NotEmpty(t, check("{}"), "an empty document")
	_, err = described([]byte("no JSON"))
	require.ErrorContains(t, err, "read the description of the API")
}

func TestEventsThatAreNotAsDescribedAreFound(t *testing.T) {
	t.Parallel()
	_, service := planted(t)
	text, err := plugdocs.AsyncAPI(service, plugdocs.Info{Title: "Parcels", Version: "1"}, func(string, string) string { return "" })
	require.NoError(t, err)
	check := func(text string) []string {
		problems, err := checkEvents(service.Events, text)
		require.NoError(t, err)
		return problems
	}
	require.Empty(t, check(string(text)))
	for old, wrong := range map[string]string{
		"x-plugin: parcels.take_parcel":   "x-plugin: parcels.take",
		"$ref: '#/channels/parcel.taken'": "$ref: '#/channels/parcel.gone'",
		"x-transaction: true":             "x-transaction: false",
		"x-durable: true":                 "x-durable: false",
		"x-reads: [id]":                   "x-reads: [id, name]",
		"x-subscription: parcels.hear":    "x-subscription: hear",
		"\ncomponents:":                   "\n  more: {action: send, channel: {$ref: '#/channels/x'}}\ncomponents:",
	} {
		require.Contains(t, string(text), old)
		require.NotEmpty(t, check(strings.Replace(string(text), old, wrong, 1)), wrong)
	}
	require.Contains(t, check("asyncapi: 3.0.0"), "docs/asyncapi.yaml does not say: parcels.take_parcel publishes parcel.taken; run go tool plug docs")
	_, err = checkEvents(service.Events, "\t")
	require.ErrorContains(t, err, "read docs/asyncapi.yaml")

	const row = "| `parcel.taken` | `parcels.take_parcel` | `parcels.take_parcel` |\n"
	table := func(rows string) string { return eventsBegin + " -->\n" + rows + eventsEnd + "\n" + row }
	require.Empty(t, checkArchitecture(service.Events, table(row)))
	require.Len(t, checkArchitecture(service.Events, table("")), 1)
	require.Len(t, checkArchitecture(service.Events, table(row+"| `x` | `a.b` | |\n")), 1)
}

func TestUntestedPluginsAreFound(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{}
	for name, text := range map[string]string{
		"b.go": "var B = 1", "c.go": "var C = 1", "c_test.go": "func TestC() {}", "d.go": "type D struct{}\nfunc (D) E() {}", "d_test.go": "func TestE() { e() }", "doc.go": "",
		"f.go": "func F() {}", "f_test.go": "var _ = F",
	} {
		tree[path.Join("domains/a/plugins", name)] = &fstest.MapFile{Data: []byte("package plugins\n\n" + text + "\n")}
	}
	problems, err := checkTested(tree)
	require.NoError(t, err)
	require.Equal(t, []string{
		"domains/a/plugins/b.go: the plugin has no test; write b_test.go",
		"domains/a/plugins/d_test.go: mentions nothing that d.go declares; test the plugin there",
	}, problems)

	tree["domains/a/plugins/c.go"] = &fstest.MapFile{Data: []byte("no Go")}
	_, err = checkTested(tree)
	require.ErrorContains(t, err, "read sources: domains/a/plugins/c.go")
}

func TestUnknownSettingsAreFound(t *testing.T) {
	t.Parallel()
	type post struct {
		Password string `key:"password" secret:"true" binding:"required"`
		Sender   string `key:"sender"`
	}
	known, err := knownSettings(app.Domain("post", app.Settings[post]()))
	require.NoError(t, err)
	other := &fstest.MapFile{Data: []byte("APP_OTHER")}
	problems, err := checkSettings(fstest.MapFS{
		"deployments/x.yaml": {Data: []byte("APP_HTTP_ADDR: a\nAPP_POST_PASSWORD_FILE: b\nAPP_POST_SENDER: c\nAPP_HTTP_ADRR: b\n# APP_PORT")},
		"README.md":          {Data: []byte("Set `APP_COLOUR`.")},
		"main.go":            other, "vendor/x/README.md": other, ".git/x.md": other, "tools/go.mod": {}, "tools/x.md": other,
	}, known)
	require.NoError(t, err)
	require.Equal(t, []string{
		"README.md:1 names the setting APP_COLOUR, which does not exist",
		"deployments/x.yaml:4 names the setting APP_HTTP_ADRR, which does not exist",
	}, problems)
}

func TestLinkedToolsAreFound(t *testing.T) {
	t.Parallel()
	require.Empty(t, checkLinked([]string{"fmt", "example.org/host/app", "example.org/host/app/plugs", "example.org/shop"}, "example.org/host"))
	problems := checkLinked([]string{"example.org/host/app", "example.org/host/app/plug/lint", "testing", "testing/fstest"}, "example.org/host")
	require.Len(t, problems, 3)
	require.Contains(t, problems[0], "the service links example.org/host/app/plug/lint, which is for developers")
	require.Len(t, checkLinked([]string{"fmt"}, "example.org/host"), 1)
}

func TestOptionsThatAreWrong(t *testing.T) {
	t.Parallel()
	_, err := newSite(".", nil, []Option{Without("tests", "they are slow")})
	require.EqualError(t, err, `rules.Without("tests", …): there is no such rule; the rules are modules, tables, document, requests, access, events, architecture, tested, lint, deployments, linked`)
	_, err = newSite(".", nil, []Option{Without("tested", " ")})
	require.EqualError(t, err, `rules.Without("tested", …) has no reason; say why the rule does not hold here`)
	_, err = newSite(t.TempDir(), nil, nil)
	require.ErrorContains(t, err, "there is no go.mod")
}

// callingPlugin calls another service for each request.
type callingPlugin struct{ client *http.Client }

// OnBoot registers the endpoint.
func (p *callingPlugin) OnBoot(b *app.Boot) { b.GET("/call", app.Handle(p.Execute)) }

func (p *callingPlugin) Execute(ctx context.Context, _ app.Empty) (app.Empty, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://pay.invalid/x", nil)
	if err != nil {
		return app.Empty{}, err
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return app.Empty{}, err
	}
	return app.Empty{}, answer.Body.Close()
}

// Generated requests reach no other service, unless a test says what that answers.
func TestGeneratedRequestsReachNoOtherService(t *testing.T) {
	t.Parallel()
	calling := app.Plugin[*callingPlugin]("shop.call", func(c *http.Client) *callingPlugin { return &callingPlugin{c} })
	pay := apptest.Outgoing(t)
	pay.Expect("GET https://pay.invalid/x")
	for status, opts := range map[int][]Option{http.StatusServiceUnavailable: nil, http.StatusOK: {With(pay)}} {
		s, err := newSite(".", fx.Options(host.Infra, calling), opts)
		require.NoError(t, err)
		w := httptest.NewRecorder()
		s.running(t, apptest.SQLite(t).URL).Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/call", nil))
		require.Equal(t, status, w.Code, w.Body)
	}
}
