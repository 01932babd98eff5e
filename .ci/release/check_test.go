package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// want is the API of the tiny module.
const want = heading + `-- app --
package app

import (
	"context"
	"example.org/dep"
	"net/http"
	"time"
)

const Gone Code = "gone"
const Half = 1.0 / 3.0
const Most = 10000

var Default http.Handler
var Wait chan<- time.Duration

func Do(ctx context.Context, db *dep.Handle, fn func(context.Context) error) error
func Limit(n int) limit
func Map[From, To any](list []From, fn func(From) To) []To

type Body struct {
	dep.Handle
	base
	Size  int ` + "`json:\"size\"`" + `
	Extra []byte
	More  []byte
	_     [0]func()
}

type Call struct{}

type Code string

type Event interface {
	Topic() string
}

type Option interface {
	apply()
}

type Pair[K comparable, V any] struct {
	Key K
	Val V
}

func (p *Pair[A, _]) Swap(key A) (old A)

type Short = Pair[string, []*Call]

type base struct {
	Depth int
}

func (base) Up()

type limit struct {
	_ struct{}
}

func (l limit) Value() int
func (limit) apply()

-- app/apptest --
package apptest

import (
	"./app"
	"./config"
)

func New(change func(*config.Config), call *app.Call) *Kit

type Kit struct {
	*config.Base
	Code app.Code
}

-- infra/host --
package host

import (
	"./app"
)

func Main(code app.Code)

-- config (not public) --
package config

type Base struct {
	Size int
	_    [0]func()
}

func (b *Base) Grow()

type Config struct{}
`

func TestTheAPIIsDescribed(t *testing.T) {
	t.Parallel()
	dir := write(t, tiny)
	must(t, os.Mkdir(filepath.Join(dir, "docs"), 0o755))
	if _, err := call(t, dir, "check"); err == nil || !strings.Contains(err.Error(), "run make api") {
		t.Error(err)
	}
	if out, err := call(t, dir, "api"); err != nil || out != "docs/api.txt\n" {
		t.Fatal(out, err)
	}
	if got := read(t, dir, apiFile); got != want {
		t.Errorf("got:\n%s", got)
	}
	if out, err := call(t, dir, "check"); err != nil || out != "" {
		t.Error(out, err)
	}
	put(t, dir, "app/more.go", "package app\n\nfunc Broken() {")
	_, err := call(t, dir, "check")
	wantError(t, err, "do not compile", "more.go")
}

// The description does not depend on the module's path.
func TestAnAdoptedModuleHasTheSameAPI(t *testing.T) {
	t.Parallel()
	dir := write(t, strings.ReplaceAll(tiny, "example.org/tiny", "example.com/team/host"))
	put(t, dir, apiFile, strings.Replace(want, "const Most = 10000\n", "", 1)) // so that types are compared
	out, err := call(t, dir, "check")
	must(t, err)
	if wanted := "The API of public packages has grown; make release adds to docs/api.txt:\n  app: Most added\n"; out != wanted {
		t.Errorf("%q", out)
	}
}

func TestChangesOfTheAPI(t *testing.T) {
	t.Parallel()
	const app = "app/app.go"
	for name, c := range map[string]struct {
		file, old, now string
		problem        string // "" for none
	}{
		"removed function":          {app, "func Do(", "func do(", "app: Do is gone\n      keep the old name, deprecated"},
		"changed result":            {app, "fn func(From) To) []To {", "fn func(From) To) []From {", "app: Map has changed from func[From, To any]([]From, func(From) To) []To to func[From, To any]([]From, func(From) To) []From\n      give the new form"},
		"added parameter":           {app, "db *dep.Handle, fn", "db *dep.Handle, n int, fn", "app: Do has changed from func("},
		"changed foreign type":      {app, "db *dep.Handle, fn", "db dep.Handle, fn", "app: Do has changed from func("},
		"added method of interface": {app, "Topic() string\n", "Topic() string\n\tKey() string\n", "app: Event.Key is new in an interface that services implement\n      put the method"},
		"removed field":             {app, "Extra, More []byte", "More []byte", "app: Body.Extra is gone"},
		"promoted method":           {app, "func (base) Up() {}", "", "app: (*Body).Up is gone"},
		"unexported result":         {app, "Value() int { return l.n }", "Value() int64 { return 0 }", "app: limit.Value has changed"},
		"value":                     {app, `Code = "gone"`, `Code = "lost"`, `app: Gone has its value changed from "gone" to "lost"`},
		"comparable":                {app, "Val V\n", "Val V\n\tlist []V\n", ""}, // it was not for all V
		"not comparable":            {app, "limit struct{ n int }", "limit struct{ n int; m []int }", "app: limit cannot be compared by =="},
		"satisfied":                 {app, "func (limit) apply(*Options) {}", "", "app: limit no longer implements Option\n      keep the methods that Option asks for"},
		"constraint":                {app, "Map[From, To any]", "Map[From, To comparable]", "app: Map has changed from func[From, To any]"},
		"public from another":       {"app/apptest/apptest.go", "Code app.Code", "Code string", "app/apptest: Kit.Code has changed"},
		"embedded, not public":      {"config/config.go", "Grow()", "Shrink()", "app/apptest: (*Kit).Grow is gone"},

		"new function":            {app, "// Do takes", "// Done is new.\nfunc Done() {}\n\n// Do takes", ""},
		"renamed parameter":       {app, "Do(ctx context.Context, db *dep.Handle, fn", "Do(ctx context.Context, handle *dep.Handle, fn", ""},
		"renamed type parameters": {app, "Map[From, To any](list []From, fn func(From) To) []To", "Map[A, B any](list []A, fn func(A) B) []B", ""},
		"new field":               {app, "More []byte", "More []byte\n\tNew int", ""},
		"new unexported method":   {app, "apply(o *Options) }", "apply(o Options) }", ""},
		"host's half":             {"app/host_call.go", "func Open() *Call { return nil }", "", ""},
		"host's type":             {"app/host_call.go", "Depth int", "Deep string", ""},
		"not public":              {"config/config.go", "Addr string", "Port int", ""},
		"a package of others":     {"infra/other/other.go", "NotPublic", "Renamed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := write(t, tiny)
			if name == "satisfied" {
				edit(t, dir, app, "func (limit) apply", "func (*limit) apply")
				put(t, dir, apiFile, want)
				c.old = "func (*limit) apply(*Options) {}"
			}
			edit(t, dir, c.file, c.old, c.now)
			put(t, dir, apiFile, want)
			out, err := call(t, dir, "check")
			if c.problem == "" {
				must(t, err)
				return
			}
			wantError(t, err, c.problem, advice)
			if out != "" {
				t.Error(out)
			}
		})
	}
}

func TestPackagesComeAndGo(t *testing.T) {
	t.Parallel()
	dir := write(t, tiny)
	put(t, dir, apiFile, want)
	put(t, dir, "app/apptest/rules/rules.go", "package rules\n\nfunc Hold() {}\n")
	out, err := call(t, dir, "check")
	must(t, err)
	if !strings.Contains(out, "app/apptest/rules: package added\n") {
		t.Error(out)
	}
	must(t, os.RemoveAll(filepath.Join(dir, "infra/host")))
	_, err = call(t, dir, "check")
	wantError(t, err, "infra/host: package is gone\n      keep the package")
	must(t, os.RemoveAll(filepath.Join(dir, "app")))
	_, err = call(t, dir, "check")
	wantError(t, err, "has none of the public packages")
}

// A module that is not required any more cannot be loaded; what the old API had of it is compared by name.
func TestADroppedModule(t *testing.T) {
	t.Parallel()
	dir := write(t, tiny)
	put(t, dir, apiFile, want)
	must(t, os.RemoveAll(filepath.Join(dir, "dep")))
	put(t, dir, "go.mod", "module example.org/tiny\n\ngo 1.26.0\n")
	edit(t, dir, "app/app.go", "\t\"example.org/dep\"\n", "")
	edit(t, dir, "app/app.go", "db *dep.Handle", "db *Code")
	edit(t, dir, "app/app.go", "\tdep.Handle\n", "")
	_, err := call(t, dir, "check")
	wantError(t, err, "app: Body.Handle is gone", "app: Do has changed from func(context.Context, *example.org/dep.Handle")
}

func TestAnAPIThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":     "",
		"no Go":     "-- app --\npackage",
		"no type":   "-- app --\npackage app\n\nvar X Y\n",
		"no import": "-- app --\npackage app\n\nimport \"./gone\"\n\nvar X gone.Y\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := write(t, tiny)
			put(t, dir, apiFile, text)
			_, err := call(t, dir, "check")
			wantError(t, err, "docs/api.txt cannot be read", "git checkout -- docs/api.txt")
		})
	}
}

func TestRenamedDeclarations(t *testing.T) {
	t.Parallel()
	const deprecated = "// X is old.\n//\n// Deprecated: use another.\n//\n//plug:renamed "
	for name, c := range map[string]struct{ code, problem string }{
		"function":            {deprecated + "Do\nfunc X() {}", ""},
		"method":              {deprecated + "Up\nfunc (base) X() {}", ""},
		"method of a generic": {deprecated + "Swap\nfunc (*Pair[K, V]) X() {}", ""},
		"type":                {deprecated + "Body\ntype X = Body", ""},
		"constant in a group": {"const (\n" + deprecated + "Gone\nX = Gone\n)", ""},
		"variable":            {deprecated + "Default\nvar X = Default", ""},
		"field":               {"type S struct {\n" + deprecated + "Y\nX int\nY int\n}", ""},
		"other directive":     {"//plug:renamedly so\nfunc X() {}", ""},

		"no such name":         {deprecated + "None\nfunc X() {}", "app/x.go:7: X is said to be called None, which is not declared beside it"},
		"itself":               {deprecated + "X\nfunc X() {}", "not declared beside it"},
		"no such method":       {deprecated + "Do\nfunc (base) X() {}", "not declared beside it"},
		"no such field":        {"type S struct {\n" + deprecated + "Do\nX int\n}", "not declared beside it"},
		"another kind":         {deprecated + "Code\nfunc X() {}", "X is said to be called Code, which is something else"},
		"not deprecated":       {"// X is old. Deprecated: no paragraph.\n//\n//plug:renamed Do\nfunc X() {}", `X has //plug:renamed and is not deprecated; its comment needs a paragraph "Deprecated: use Do."`},
		"no name":              {deprecated + "\nfunc X() {}", "is followed by the new name alone"},
		"more than a name":     {deprecated + "Do it\nfunc X() {}", "is followed by the new name alone"},
		"method of interface":  {"type X interface {\n" + deprecated + "Up\nDown()\nUp()\n}", "stands on nothing that can have two names"},
		"group of declaration": {deprecated + "Do\nconst (\nX = 1\n)", "stands on nothing"},
		"in a body":            {"func X() {\n//plug:renamed Do\n}", "stands on nothing"},
		"two names":            {deprecated + "Wait\nvar X, Y = 1, 2", "stands on nothing"},
		"in a row":             {deprecated + "Y\nfunc X() {}\n\n" + deprecated + "Do\nfunc Y() {}", "has been renamed itself; name the last of them"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := write(t, tiny)
			put(t, dir, "app/x.go", "package app\n\n"+c.code+"\n")
			put(t, dir, apiFile, want)
			_, err := call(t, dir, "check")
			if c.problem == "" {
				must(t, err)
				return
			}
			wantError(t, err, "renamed declarations:\n  app/x.go:", c.problem)
		})
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"none"}, {"release"}, {"api", "more"}, {"-none"}} {
		if err := run(t.Context(), args, nil, nil); err != errUsage { //nolint:errorlint // itself
			t.Error(args, err)
		}
	}
}
