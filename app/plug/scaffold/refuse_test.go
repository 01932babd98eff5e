package scaffold_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jinzhu/inflection"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm/schema"

	"plugboard/app/apptest"
	"plugboard/app/plug/scaffold"
	"plugboard/infra/database"
)

// add writes further files to a module.
func add(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
}

// What would not compile, or would compile to a service that does not start, is refused, with what to do instead.
func TestNewRefusesWhatWouldNotStart(t *testing.T) {
	t.Parallel()
	dir := module(t)
	add(t, dir, map[string]string{
		"helpers.go":                                 "package main\n\nfunc stop() {}\n",
		"main_test.go":                               "package main\n\nvar spare int\n",
		"domains/things/plugins/get.go":              "package plugins\n\ntype GoldItem struct{}\n\nfunc NewKeptPlugin() {}\n\nfunc f() { b.PUT(\"/things/:id\", app.Handle(p.Execute)) }\n\nfunc g() { b.GET(\"/files/*rest\", nil) }\n",
		"domains/things/plugins/a_test.go":           "package plugins_test\n\nfunc TestHear() {}\n\nfunc TestMissSubscribes() {}\n",
		"domains/shop/plugins/sell.go":               "package plugins\n\ntype (\n\tSoldData struct{}\n)\n\nfunc NewOpenPlugin() {}\n",
		"domains/shop/migrations/x/1.sql":            "-- +goose Up\ncreate table if not exists \"parts\" (id INTEGER);\n",
		"infra/eventbus/internal/migrations/x/1.sql": "CREATE TABLE logs (id INTEGER);\n",
	})
	replace := func(text string) string { return strings.ReplaceAll(text, `"example.org/m/infra/host"`, `"context"`) }
	add(t, dir, map[string]string{"main.go": replace(read(t, dir, "main.go"))})
	before := count(t, dir)
	endpoint := func(name, path string) scaffold.Plugin {
		return scaffold.Plugin{Domain: "things", Name: name, Kind: "endpoint", Path: path}
	}
	domain := func(name string) scaffold.Plugin {
		return scaffold.Plugin{Domain: name, Name: "make", Kind: "endpoint"}
	}
	for what, c := range map[string]struct {
		plugin scaffold.Plugin
		want   string
	}{
		"a field of the template": {endpoint("rename", "/things/:name/rename"), "the parameter :name of the path would be the field Name, which the new request has already; give it another name, such as :thing_id"},
		"a field of cpu":          {scaffold.Plugin{Domain: "things", Name: "hash", Kind: "cpu", Path: "/h/:text/x"}, ":text of the path would be the field Text"},
		"a parameter twice":       {endpoint("move", "/a/:id/b/:id"), "the parameters :id and :id of the path would both be the field ID; give one another name"},
		"parameters of one field": {endpoint("move", "/a/:from_a/b/:from_a_"), "would both be the field FromA"},
		"a path that is taken":    {scaffold.Plugin{Domain: "things", Name: "put", Kind: "endpoint", Method: "PUT", Path: "/things/:id"}, "domains/things/plugins/get.go serves PUT /things/:id, so it is taken"},
		"another parameter there": {scaffold.Plugin{Domain: "things", Name: "put", Kind: "endpoint", Method: "PUT", Path: "/things/:thing/x"}, "serves PUT /things/:id, in which :id has the place of :thing; name the parameter alike"},
		"a path of a wildcard":    {scaffold.Plugin{Domain: "things", Name: "get_it", Kind: "endpoint", Method: "GET", Path: "/files/x"}, "serves GET /files/*rest, in which *rest takes all that stands there"},
		"a path upwards":          {endpoint("up", "/things/../x"), "must have no .."},
		"a word of SQLite":        {domain("values"), "the domain's table would be called values, a word of SQL; take another name, such as productvalues"},
		"a word of both":          {domain("references"), "would be called references, a word of SQL"},
		"a table that is there":   {domain("part"), "the domain's table would be called parts, which domains/shop/migrations/x/1.sql makes already"},
		"a table of the bus":      {domain("log"), "infra/eventbus/internal/migrations/x/1.sql makes already"},
		"a long table":            {domain(strings.Repeat("x", 70)), "a name of more than 63 characters"},
		"a long name":             {endpoint(strings.Repeat("x", 250), "/x"), "is longer than 100 characters"},
		"imported by main.go":     {domain("context"), `the domain cannot be called "context"`},
		"declared beside main.go": {domain("stop"), `the domain cannot be called "stop"`},
		"declared in its tests":   {domain("spare"), `the domain cannot be called "spare"`},
		"no import has the name":  {domain("init"), `the domain cannot be called "init"`},
		"the go command skips it": {domain("documentation"), `the domain cannot be called "documentation"`},
		"predeclared":             {domain("string"), `the domain cannot be called "string"`},
		"a part of a domain":      {domain("models"), `the domain cannot be called "models"`},
		"a constructor":           {endpoint("kept", "/k"), "domains/things/plugins/get.go declares NewKeptPlugin already; take another name"},
		"a test":                  {endpoint("hear", "/h"), "domains/things/plugins/a_test.go declares TestHear already"},
		"a second test":           {scaffold.Plugin{Domain: "things", Name: "miss", Kind: "subscriber", Topic: "thing.made"}, "declares TestMissSubscribes already"},
		"a schema of another":     {endpoint("sold", "/s"), "domains/shop/plugins/sell.go declares Sold already, and schemas"},
		"two names of one word":   {endpoint("make__thing", "/s"), `the name "make__thing" must be`},
		"a list of a parameter":   {scaffold.Plugin{Domain: "fresh", Name: "list_it", Kind: "list", Path: "/n/:id/parts"}, "a list is made for a path without parameters, not for /n/:id/parts"},
		"a list by POST":          {scaffold.Plugin{Domain: "fresh", Name: "list_it", Kind: "list", Method: "POST"}, "a list is asked for with GET, not with POST"},
		"a list without entity":   {scaffold.Plugin{Domain: "things", Name: "list_it", Kind: "list"}, "domains/things/models has no type Thing with a field ID int64"},
		"an item that is there":   {scaffold.Plugin{Domain: "things", Name: "gold", Kind: "list"}, "domains/things/plugins/get.go declares GoldItem already"},
		"a name that ends in _":   {endpoint("make_", "/s"), `the name "make_" must be`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, err := scaffold.New(site(dir), c.plugin)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, before, count(t, dir))
		})
	}
}

// Names that look alike, or are another domain's, are no reason to refuse.
func TestNewAcceptsOddNames(t *testing.T) {
	t.Parallel()
	dir := module(t)
	add(t, dir, map[string]string{"domains/shop/plugins/sell.go": "package plugins\n\nfunc NewOpenPlugin() {}\n\nfunc f() { b.POST(\"/things/:id\", nil) }\n",
		"other_test.go": "package main_test\n\nvar strings int\n"})
	for _, p := range []scaffold.Plugin{
		{Domain: "things", Name: "open", Kind: "endpoint", Path: "/things/:id/open"},
		{Domain: "things", Name: "open_ab", Kind: "cpu", Path: "/:name/x"},
		{Domain: "things", Name: "open_a_b", Kind: "endpoint", Method: "PUT", Path: "/things/:thing"},
		{Domain: "things", Name: "type", Kind: "endpoint"},
		{Domain: "things", Name: "make_2", Kind: "endpoint"},
		{Domain: "s", Name: "make_it", Kind: "endpoint"},
		{Domain: "class", Name: "teach", Kind: "endpoint"},
		{Domain: "strings", Name: "cut", Kind: "schedule"},
		{Domain: "database", Name: "count", Kind: "schedule"}, // main.go does not import the host's
	} {
		_, err := scaffold.New(site(dir), p)
		require.NoError(t, err, p)
	}
	require.Contains(t, read(t, dir, "domains/s/models/s.go"), "type S struct")
	require.Contains(t, read(t, dir, "domains/class/models/class.go"), "type Class struct")
	require.Contains(t, read(t, dir, "domains/strings/plugins/cut_test.go"), `h.Run("strings.cut/schedule")`)
}

// Whatever word of SQL a domain is called, it is refused, or the databases make its table.
func TestNewMakesTablesThatDatabasesMake(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/sqlwords.txt") // the keywords of both
	require.NoError(t, err)
	all := strings.Fields(string(text))
	words := slices.DeleteFunc(slices.Clone(all), func(word string) bool {
		var naming schema.NamingStrategy
		return !slices.Contains(all, naming.TableName(word)) && !slices.Contains(all, naming.TableName(inflection.Singular(word)))
	})
	made := map[string]map[string]string{string(database.SQLite): {}, string(database.Postgres): {}}
	var refused []string
	for _, word := range words {
		dir := module(t)
		files, err := scaffold.New(site(dir), scaffold.Plugin{Domain: word, Name: "make", Kind: "endpoint"})
		if err != nil {
			refused = append(refused, word)
			continue
		}
		for _, file := range files {
			if dialect := filepath.Base(filepath.Dir(file)); made[dialect] != nil {
				made[dialect][word] = read(t, dir, file)
			}
		}
	}
	t.Logf("%d refused: %v", len(refused), refused)
	require.Greater(t, len(made[string(database.SQLite)]), len(refused))
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		gorm := db.Open(t)
		for _, word := range slices.Sorted(maps.Keys(made[string(db.Dialect)])) {
			up, down, _ := strings.Cut(made[string(db.Dialect)][word], "-- +goose Down")
			require.NoError(t, gorm.WithContext(t.Context()).Exec(up).Error, word)
			require.NoError(t, gorm.WithContext(t.Context()).Exec(down).Error, word)
		}
	})
}
