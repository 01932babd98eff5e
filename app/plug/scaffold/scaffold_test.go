package scaffold_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/scaffold"
)

const create = `package plugins

import "example.org/m/app"

type ThingMade struct {
	ID    int64  ` + "`json:\"id\"`" + `
	Parts []int  ` + "`json:\"parts\"`" + `
	Name  string ` + "`json:\"name\"`" + `
}

func (ThingMade) Topic() string { return "thing.made" }

func (p *MakeThingPlugin) OnBoot(b *app.Boot) { b.Publishes(ThingMade{}) }
`

// module writes a small module and returns its folder.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                               "module example.org/m\n\ntool example.org/m/app/plug\n\nrequire example.org/more v1.0.0\n",
		"main.go":                              "package main\n\nimport (\n\t\"example.org/m/domains/things\"\n\t\"example.org/m/infra/host\"\n)\n\nvar modules = fx.Options(\n\thost.Module,\n\n\tthings.Module,\n)\n",
		"domains/things/things.go":             "package things\n\nimport (\n\t\"example.org/m/app\"\n\t\"example.org/m/domains/things/plugins\"\n)\n\nvar Module = app.Domain(\"things\",\n\tplugins.MakeThing,\n)\n",
		"domains/things/plugins/make_thing.go": create,
		"docs/more/go.mod":                     "module example.org/m/docs/more\n\nreplace example.org/m => ../..\n\nrequire (\n\tacme.test/zebra v1.0.0\n\texample.org/m v0.0.0\n\texample.org/more v1.0.0\n)\n",
		"infra/host/host.go":                   "package host\n",
		".golangci.yml":                        "- pkg: example.org/m/\n- pkg: example.org/m\n- pkg: example.org/m/infra$\n- pkg: example.org/more$\n      local-prefixes: [example.org/m]\n",
		"README.md":                            "`example.org/m/app` at example.org/more, https://example.org/m/app\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

// site describes a module that is its own host.
func site(dir string) scaffold.Site {
	return scaffold.Site{Dir: dir, Contract: "example.org/m/app", Host: dir}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(text)
}

func count(t *testing.T, dir string) (files int) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files++
		}
		return err
	}))
	return files
}

func TestNewInADomain(t *testing.T) {
	t.Parallel()
	dir := module(t)
	files, err := scaffold.New(site(dir), scaffold.Plugin{Domain: "things", Name: "list_old_things", Kind: "endpoint"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"domains/things/plugins/list_old_things.go", "domains/things/plugins/list_old_things_test.go", "domains/things/things.go",
	}, files)
	require.Contains(t, read(t, dir, "domains/things/things.go"), "\tplugins.MakeThing,\n\tplugins.ListOldThings,\n)\n")
	require.Contains(t, read(t, dir, files[0]), `b.GET("/things/list-old-things", app.Handle(p.Execute), app.Tags("Things"))`)
	require.Contains(t, read(t, dir, files[1]), `"example.org/m/app/apptest"`)
}

func TestNewSubscriber(t *testing.T) {
	t.Parallel()
	dir := module(t)
	_, err := scaffold.New(site(dir), scaffold.Plugin{Domain: "shop", Name: "note_thing", Kind: "subscriber", Topic: "thing.made"})
	require.NoError(t, err)
	text := read(t, dir, "domains/shop/plugins/note_thing.go")
	require.Contains(t, text, "type NoteThingEvent struct {\n\tID   int64  `json:\"id\"`\n\tName string `json:\"name\"`\n}\n", "what needs no import")
}

// Nobody publishes the topic yet, which the plugin says.
func TestNewSubscriberAhead(t *testing.T) {
	t.Parallel()
	dir := module(t)
	_, err := scaffold.New(site(dir), scaffold.Plugin{Domain: "shop", Name: "note_thing", Kind: "subscriber", Topic: "thing.gone", Ahead: true})
	require.NoError(t, err)
	text := read(t, dir, "domains/shop/plugins/note_thing.go")
	require.Contains(t, text, "b.Subscribe(app.On(p.Execute), app.Ahead())")
	require.Contains(t, text, "Nobody publishes it yet: when a plugin does, give this")
}

func TestNewResponder(t *testing.T) {
	t.Parallel()
	dir := module(t)
	for _, p := range []scaffold.Plugin{{Name: "price_of"}, {Name: "stock_of", Topic: "stock.of"}} {
		p.Domain, p.Kind = "shop", "responder"
		_, err := scaffold.New(site(dir), p)
		require.NoError(t, err)
	}
	require.Contains(t, read(t, dir, "domains/shop/plugins/price_of.go"), `func (PriceOfQuery) Topic() string { return "shop.price_of" }`)
	_, err := scaffold.New(site(dir), scaffold.Plugin{Domain: "things", Name: "more", Kind: "responder", Topic: "stock.of"})
	require.EqualError(t, err, "domains/shop/plugins/stock_of.go answers stock.of already; give another --topic")
}

// A raw handler has the method, the parameters and the body of its requests.
func TestNewRaw(t *testing.T) {
	t.Parallel()
	dir := module(t)
	for _, p := range []scaffold.Plugin{{Name: "get_file", Path: "/files/:file_id"}, {Name: "put_file", Path: "/files/:file_id", Method: "PUT"}} {
		p.Domain, p.Kind = "shop", "raw"
		_, err := scaffold.New(site(dir), p)
		require.NoError(t, err)
	}
	require.Contains(t, read(t, dir, "domains/shop/plugins/get_file.go"), `c.String(http.StatusOK, "get file, file_id %s\n", c.Param("file_id"))`)
	text := read(t, dir, "domains/shop/plugins/put_file.go")
	require.Contains(t, text, `b.Raw(http.MethodPut, "/files/:file_id", p.Execute, app.Tags("Shop"), app.Accepts("text/plain"), app.Produces("text/plain"), app.Fails(app.Malformed))`)
	require.Contains(t, text, `c.String(http.StatusOK, "file_id %s, %d bytes\n", c.Param("file_id"), n)`)
	_, err := scaffold.New(site(dir), scaffold.Plugin{Domain: "things", Name: "get", Kind: "endpoint", Path: "/files/:file_id"})
	require.ErrorContains(t, err, "domains/shop/plugins/get_file.go serves GET /files/:file_id, so it is taken")
}

// The names of entities and tables follow the rules by which GORM names tables.
func TestNewEntities(t *testing.T) {
	t.Parallel()
	dir := module(t)
	for domain, want := range map[string][2]string{
		"inventories": {"Inventory", "inventories"}, "boxes": {"Box", "boxes"}, "statuses": {"Status", "statuses"}, "news": {"News", "news"},
		"series": {"Series", "series"}, "people": {"Person", "people"}, "orders": {"Order", "orders"}, "stock": {"Stock", "stocks"}, "s": {"S", "s"},
	} {
		_, err := scaffold.New(site(dir), scaffold.Plugin{Domain: domain, Name: "make_" + domain, Kind: "endpoint"})
		require.NoError(t, err, domain)
		text := read(t, dir, "domains/"+domain+"/models/"+strings.ToLower(want[0])+".go")
		require.Contains(t, text, "type "+want[0]+" struct")
		require.Contains(t, text, "func ("+want[0]+`) TableName() string { return "`+want[1]+`" }`)
		require.Contains(t, read(t, dir, "domains/"+domain+"/migrations/sqlite/00001_create_"+want[1]+".sql"), "CREATE TABLE "+want[1]+" (")
	}
}

// Where users can sign in, a plugin says who may call it, unless its domain or main.go does; elsewhere only when that is asked for.
func TestNewSaysWhoMayCall(t *testing.T) {
	t.Parallel()
	const signIns = "package main\n\nimport _ \"example.org/host/domains/accounts\"\n"
	for name, tc := range map[string]struct{ main, list, access, want string }{
		"users":          {main: signIns, want: `app.Tags("Things"), app.SignedIn()`},
		"asked":          {main: signIns, access: "public", want: `app.Tags("Things"), app.Public()`},
		"by the domain":  {main: signIns, list: "\tapp.Every(app.Public()),\n", want: `app.Tags("Things")`},
		"by main.go":     {main: signIns + "\nvar _ = host.DefaultAccess(app.SignedIn())\n", want: `app.Tags("Things")`},
		"no users":       {main: "package main\n", want: `app.Tags("Things")`},
		"no users asked": {main: "package main\n", access: "signed_in", want: `app.Tags("Things"), app.SignedIn()`},
	} {
		dir := module(t)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(tc.main), 0o600))
		list := filepath.Join(dir, "domains", "things", "things.go")
		text := strings.Replace(read(t, dir, "domains/things/things.go"), "\tplugins.MakeThing,\n", tc.list+"\tplugins.MakeThing,\n", 1)
		require.NoError(t, os.WriteFile(list, []byte(text), 0o600))
		for _, kind := range []string{"endpoint", "cpu", "raw"} {
			_, err := scaffold.New(site(dir), scaffold.Plugin{Domain: "things", Name: "show_" + kind, Kind: kind, Access: tc.access})
			require.NoError(t, err, name)
			made, test := read(t, dir, "domains/things/plugins/show_"+kind+".go"), read(t, dir, "domains/things/plugins/show_"+kind+"_test.go")
			require.Regexp(t, regexp.QuoteMeta(tc.want)+`(\)|, app\.Produces)`, made, "%s: %s", name, kind)
			require.Equal(t, strings.HasSuffix(tc.want, "SignedIn()"), strings.Contains(test, `.SignedIn(app.Principal{ID: "test"})`), "%s: %s", name, kind)
		}
	}
	_, err := scaffold.New(site(module(t)), scaffold.Plugin{Domain: "things", Name: "show", Kind: "endpoint", Access: "things.write"})
	require.ErrorContains(t, err, `the access "things.write" must be public or signed_in; for a permission write app.Can into the plugin`)
}

// What was given and means nothing for the kind is refused, all of it.
func TestNewRefusesWhatIsNotOfTheKind(t *testing.T) {
	t.Parallel()
	dir := module(t)
	before := count(t, dir)
	given := scaffold.Plugin{Domain: "things", Name: "make", Method: "PUT", Path: "/x", Topic: "thing.made", Ahead: true, Access: "public"}
	const (
		method = "--method is for --kind endpoint, list, cpu or raw, not for "
		path   = "--path is for --kind endpoint, list, cpu or raw, not for "
		topic  = "--topic is for --kind subscriber or responder, not for "
		ahead  = "--ahead is for --kind subscriber, not for "
		access = "--access is for --kind endpoint, list, cpu or raw, not for "
	)
	for kind, want := range map[string][]string{
		"endpoint": {topic, ahead}, "list": {topic, ahead}, "cpu": {topic, ahead}, "raw": {topic, ahead},
		"subscriber": {method, path, access}, "responder": {method, path, ahead, access}, "schedule": {method, path, topic, ahead, access},
	} {
		p := given
		p.Kind = kind
		_, err := scaffold.New(site(dir), p)
		for _, w := range []string{method, path, topic, ahead, access} {
			require.Equal(t, slices.Contains(want, w), strings.Contains(err.Error(), w+kind), "%s: %s: %s", kind, w, err)
		}
	}
	given.Kind = "stream"
	_, err := scaffold.New(site(dir), given)
	require.EqualError(t, err, `there is no kind "stream"; it is endpoint, list, cpu, raw, subscriber, responder or schedule`)
	require.Equal(t, before, count(t, dir))
}

func TestNewDomain(t *testing.T) {
	t.Parallel()
	dir := module(t)
	files, err := scaffold.New(site(dir), scaffold.Plugin{Domain: "orders", Name: "hash_order", Kind: "cpu", Method: "PUT", Path: "/orders/:order_id"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"domains/orders/migrations/migrations.go", "domains/orders/migrations/postgres/00001_create_orders.sql",
		"domains/orders/migrations/sqlite/00001_create_orders.sql", "domains/orders/models/order.go", "domains/orders/orders.go",
		"domains/orders/plugins/doc.go", "domains/orders/plugins/hash_order.go", "domains/orders/plugins/hash_order_test.go", "main.go",
	}, files)
	main := read(t, dir, "main.go")
	require.Contains(t, main, "\t\"example.org/m/domains/orders\"\n\t\"example.org/m/domains/things\"\n")
	require.Contains(t, main, "\tthings.Module,\n\torders.Module,\n)\n")
	require.Contains(t, read(t, dir, "domains/orders/plugins/hash_order.go"), "OrderID int64 `uri:\"order_id\" json:\"-\" binding:\"min=1\" example:\"1\"`")
	require.Contains(t, read(t, dir, "domains/orders/plugins/hash_order_test.go"), `h.PUT("/orders/1", `)
}

// A list is sorted by columns that have an index: in a new domain and in one that plug made by name as well, and in others, whose
// indexes nobody knows, by id alone.
func TestNewList(t *testing.T) {
	t.Parallel()
	const byName = "_by_name ON %s (name, id);"
	dir := module(t)
	_, err := scaffold.New(site(dir), scaffold.Plugin{Domain: "shops", Name: "list_shops", Kind: "list"})
	require.NoError(t, err)
	require.Contains(t, read(t, dir, "domains/shops/plugins/list_shops.go"), "oneof=id -id name -name")
	require.Contains(t, read(t, dir, "domains/shops/migrations/sqlite/00001_create_shops.sql"), fmt.Sprintf(byName, "shops"))

	_, err = scaffold.New(site(dir), scaffold.Plugin{Domain: "orders", Name: "place_order", Kind: "endpoint"})
	require.NoError(t, err)
	require.NotContains(t, read(t, dir, "domains/orders/migrations/sqlite/00001_create_orders.sql"), "INDEX")
	for _, name := range []string{"list_orders", "list_again"} {
		files, err := scaffold.New(site(dir), scaffold.Plugin{Domain: "orders", Name: name, Kind: "list"})
		require.NoError(t, err)
		require.Contains(t, read(t, dir, "domains/orders/plugins/"+name+".go"), "oneof=id -id name -name")
		made := slices.Contains(files, "domains/orders/migrations/postgres/00002_orders_by_name.sql")
		require.Equal(t, name == "list_orders", made, "the index is made once: %v", files)
	}
	for _, dialect := range []string{"sqlite", "postgres"} {
		require.Contains(t, read(t, dir, "domains/orders/migrations/"+dialect+"/00002_orders_by_name.sql"), fmt.Sprintf(byName, "orders"))
	}

	add(t, dir, map[string]string{
		"domains/things/models/thing.go":         "package models\n\ntype Thing struct {\n\tID int64\n\tName string\n\tPrice float64\n}\n",
		"domains/things/migrations/sqlite/1.sql": "CREATE TABLE things (id INTEGER, name TEXT, price REAL);\n",
	})
	_, err = scaffold.New(site(dir), scaffold.Plugin{Domain: "things", Name: "list_things", Kind: "list"})
	require.NoError(t, err)
	require.Contains(t, read(t, dir, "domains/things/plugins/list_things.go"), `oneof=id -id"`)
	require.NotContains(t, read(t, dir, "domains/things/plugins/list_things_test.go"), "models")
}

// What cannot be made says why, all of it, and leaves no file behind.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	dir := module(t)
	before := count(t, dir)
	for what, c := range map[string]struct {
		plugin scaffold.Plugin
		want   []string
	}{
		"is there":      {scaffold.Plugin{Domain: "things", Name: "make_thing", Kind: "endpoint"}, []string{"make_thing.go is there already"}},
		"not a name":    {scaffold.Plugin{Domain: "Things", Name: "Make", Kind: "thing"}, []string{`the domain "Things"`, `the name "Make"`, `there is no kind "thing"`}},
		"a keyword":     {scaffold.Plugin{Domain: "func", Name: "make", Kind: "endpoint"}, []string{`cannot be called "func"`}},
		"in main.go":    {scaffold.Plugin{Domain: "host", Name: "make", Kind: "endpoint"}, []string{`cannot be called "host"`}},
		"a system":      {scaffold.Plugin{Domain: "things", Name: "make_linux", Kind: "endpoint"}, []string{"on some systems only"}},
		"a test":        {scaffold.Plugin{Domain: "things", Name: "make_test", Kind: "endpoint"}, []string{"would be a test"}},
		"a method":      {scaffold.Plugin{Domain: "things", Name: "make", Kind: "endpoint", Method: "FETCH"}, []string{`the method "FETCH"`}},
		"a path":        {scaffold.Plugin{Domain: "things", Name: "make", Kind: "endpoint", Path: "/a/{id}"}, []string{`the path "/a/{id}"`}},
		"no topic":      {scaffold.Plugin{Domain: "things", Name: "make", Kind: "subscriber"}, []string{"needs --topic; published are: thing.made"}},
		"unknown topic": {scaffold.Plugin{Domain: "things", Name: "make", Kind: "subscriber", Topic: "a.b"}, []string{"nobody publishes a.b; published are: thing.made"}},
		"no such topic": {scaffold.Plugin{Domain: "things", Name: "make", Kind: "subscriber", Topic: "a.b"}, []string{"give --ahead to make the subscriber before its publisher"}},
		"not ahead":     {scaffold.Plugin{Domain: "things", Name: "make", Kind: "subscriber", Topic: "thing.made", Ahead: true}, []string{"thing.made is published already; leave out --ahead"}},
		"not a topic":   {scaffold.Plugin{Domain: "things", Name: "make", Kind: "subscriber", Topic: "Thing", Ahead: true}, []string{`the topic "Thing" must be lower-case words joined by dots`}},
		"no query":      {scaffold.Plugin{Domain: "things", Name: "make", Kind: "responder", Topic: "thing of"}, []string{`the topic "thing of" must be`}},
		"needless":      {scaffold.Plugin{Domain: "things", Name: "make", Kind: "endpoint", Topic: "a.b"}, []string{"--topic is for --kind subscriber or responder, not for endpoint"}},
		"taken":         {scaffold.Plugin{Domain: "shop", Name: "make_thing", Kind: "endpoint"}, []string{"domains/things/plugins/other.go declares MakeThing already"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir, before := dir, before
			if what == "taken" {
				dir = module(t)
				require.NoError(t, os.WriteFile(filepath.Join(dir, "domains/things/plugins/other.go"), []byte("package plugins\n\ntype MakeThingRequest struct{}\n"), 0o600))
				before = count(t, dir)
			}
			_, err := scaffold.New(site(dir), c.plugin)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.Equal(t, before, count(t, dir))
		})
	}
}

func TestNewWhereTheListIsNotUnderstood(t *testing.T) {
	t.Parallel()
	dir := module(t)
	file := filepath.Join(dir, "domains/things/things.go")
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(read(t, dir, "domains/things/things.go"), ",\n)", ")", 1)), 0o600))
	_, err := scaffold.New(site(dir), scaffold.Plugin{Domain: "things", Name: "make", Kind: "endpoint"})
	require.ErrorContains(t, err, "add the plugin to domains/things/things.go: its list must have one entry a line")
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	dir := module(t)
	// Sources that tests put into builds by an overlay were left as they were, and did not compile.
	overlaid := filepath.Join(dir, "overlaid.go.txt")
	require.NoError(t, os.WriteFile(overlaid, []byte("package main\n\nimport \"example.org/m/app\"\n"), 0o600))
	files, err := scaffold.Adopt(dir, "acme.test/shop")
	require.NoError(t, err)
	require.Len(t, files, 8)
	require.Contains(t, read(t, dir, "overlaid.go.txt"), `"acme.test/shop/app"`)
	require.Equal(t, "module acme.test/shop\n\ntool acme.test/shop/app/plug\n\nrequire example.org/more v1.0.0\n", read(t, dir, "go.mod"))
	require.Equal(t, "module acme.test/shop/docs/more\n\nreplace acme.test/shop => ../..\n\nrequire (\n\tacme.test/shop v0.0.0\n\tacme.test/zebra v1.0.0\n\texample.org/more v1.0.0\n)\n",
		read(t, dir, "docs/more/go.mod"))
	require.Contains(t, read(t, dir, "main.go"), `"acme.test/shop/domains/things"`)
	require.Equal(t, "- pkg: acme.test/shop/\n- pkg: acme.test/shop\n- pkg: acme.test/shop/infra$\n- pkg: example.org/more$\n      local-prefixes: [acme.test/shop]\n", read(t, dir, ".golangci.yml"))
	require.Equal(t, "`acme.test/shop/app` at example.org/more, https://example.org/m/app\n", read(t, dir, "README.md"))

	_, err = scaffold.Adopt(dir, "acme.test/shop")
	require.ErrorContains(t, err, "it is called acme.test/shop already")
	_, err = scaffold.Adopt(dir, "acme test")
	require.ErrorContains(t, err, "rename module: malformed import path")
}
