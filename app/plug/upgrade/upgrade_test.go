package upgrade_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"plugboard/app/plug/upgrade"
)

const host = "example.org/host"

// hostFiles is a host that has renamed a declaration of each kind.
const hostFiles = `
-- host/go.mod --
module example.org/host

go 1.26.0
-- host/app/app.go --
// Package app is the contract.
package app

import "context"

// Within runs fn.
func Within(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }

// InTx runs fn.
//
// Deprecated: use [Within].
//
//plug:renamed Within
func InTx(ctx context.Context, fn func(context.Context) error) error { return Within(ctx, fn) }

// Convert converts.
func Convert[From, To any](list []From, fn func(From) To) []To { return nil }

// Map converts.
//
// Deprecated: use [Convert].
//
//plug:renamed Convert
func Map[From, To any](list []From, fn func(From) To) []To { return Convert(list, fn) }

// Box is generic.
type Box[T any] struct {
	// Content is in it.
	Content T

	// Value is in it.
	//
	// Deprecated: use Content.
	//
	//plug:renamed Content
	Value T

	Size int
}

// Open opens it.
func (b *Box[T]) Open() T { return b.Content }

// Get opens it.
//
// Deprecated: use [Box.Open].
//
//plug:renamed Open
func (b *Box[T]) Get() T { return b.Open() }

// Reader reads.
type Reader struct{ Name string }

// Read reads.
func (Reader) Read() string { return "" }

// Load reads.
//
// Deprecated: use [Reader.Read].
//
//plug:renamed Read
func (r Reader) Load() string { return r.Read() }

// Loader is a Reader.
//
// Deprecated: use [Reader].
//
//plug:renamed Reader
type Loader = Reader

// Crate is a Box.
//
// Deprecated: use [Box].
//
//plug:renamed	Box
type Crate[T any] = Box[T]

const (
	// Most is the most.
	Most = 3

	// Max is the most.
	//
	// Deprecated: use [Most].
	//
	//plug:renamed Most
	Max = Most
)

// Standard is the default.
var Standard = Reader{}

// Default is the default.
//
// Deprecated: use [Standard].
//
//plug:renamed Standard
var Default = Reader{}

// Old is of no use.
//
// Deprecated: it did nothing. Remove the
// call.
//
// More about it.
func Old() {}

// Options are options.
type Options struct {
	// Quick is gone.
	//
	// Deprecated: everything is quick.
	Quick bool
}
-- site/go.mod --
module example.org/site

go 1.26.0

require example.org/host v0.2.0

replace example.org/host => ../host
`

// module puts a host and a site that requires it beside each other, and returns the site's folder.
func module(t *testing.T, siteFiles string) string {
	t.Helper()
	root := t.TempDir()
	for _, file := range txtar.Parse([]byte(hostFiles + siteFiles)).Files {
		put(t, filepath.Join(root, filepath.FromSlash(file.Name)), string(file.Data))
	}
	return filepath.Join(root, "site")
}

func put(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

// tree returns the contents of all files.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		all[name] = string(text)
		return err
	}))
	return all
}

// siteFiles uses the old names in all ways.
const siteFiles = `
-- site/shop/shop.go --
// Package shop sells. It calls InTx.
package shop

import (
	"context"

	"example.org/host/app"
)

// Sell sells by app.InTx.
func Sell(ctx context.Context) error {
	// before
	return app.InTx(ctx, func(ctx context.Context) error { // behind

		// InTx in a comment, and a blank line above
		if err := ctx.Err(); err != nil { return err } // app.InTx
		/* InTx */ return app.InTx(ctx, /* nothing */ nil)
	})
}
-- site/shop/generic.go --
package shop

import plug "example.org/host/app"

var (
	explicit = plug.Map[int, string]
	inferred = plug.Map([]int{1}, func(n int) string {
		// kept
		return "Map"
	})
)

var box = plug.Box[int]{
	Size:  1,            // aligned
	Value: plug.Max + 2, // aligned
}

func values() (int, func() int, func(*plug.Box[int]) int) {
	box.Value++
	_ = box.Get() + (&box).Get()
	return box.Value, box.Get, (*plug.Box[int]).Get
}
-- site/shop/embedded.go --
package shop

import "example.org/host/app"

// Shop embeds what was renamed.
type Shop struct {
	app.Loader // the reader
	*Inner

	Other int
}

// Inner embeds a generic type.
type Inner struct{ *app.Crate[string] }

// Pile is generic itself.
type Pile[T any] struct{ app.Crate[T] }

var pile = Pile[int]{Crate: app.Crate[int]{}}.Crate.Size

// Branch embeds a shop.
type Branch struct {
	Shop
}

func read(b Branch) string {
	local := struct{ *app.Loader }{Loader: &app.Loader{Name: "x"}}
	s := Shop{Loader: app.Loader{Name: "Loader"}}
	_ = s.Loader.Load() + local.Loader.Load() + local.Load() + s.Get() + s.Value
	return b.Loader.Name + b.Load() + b.Shop.Loader.Load()
}
-- site/shop/dot.go --
package shop

import . "example.org/host/app"

var limit = Max

func shadow(Max int) int { return Max }

func taken(Most int) int { return Most + Max }

type own struct{ Max, Value int }

func (own) Get() int { return own{Max: 1, Value: 2}.Max }

func (o own) Load() int { return o.Get() + o.Value }

var Standards = Default.Load()
-- site/shop/left.go --
package shop

import "example.org/host/app"

// Clash has a method of the new name.
type Clash struct{ app.Reader }

// Read is another Read.
func (Clash) Read() string { return "" }

func left(c Clash) string {
	app.Old()
	_ = app.Options{Quick: true}
	return c.Load()
}
-- site/shop/generated.go --
// Code generated by hand; DO NOT EDIT.

package shop

import "example.org/host/app"

var generated = app.Max
-- site/shop/other.go --
//go:build never

package shop

import (
	"example.org/host/app"
	. "example.org/host/app"
	renamed "example.org/host/app"
)

var other = renamed.Max + app.Max + Max + renamed.Most

func get(b app.Box[int]) int { return b.Get() + other.Max }

var b = app.Box[int]{Value: 1}
-- site/shop/internal_test.go --
package shop

import (
	"testing"

	"example.org/host/app"
)

func TestInternal(t *testing.T) { _ = app.Default; _ = Branch{}.Loader.Name }
-- site/shop/external_test.go --
package shop_test

import (
	"testing"

	"example.org/site/shelf"
	"example.org/site/shop"
)

func TestExternal(t *testing.T) { _ = shelf.Shelf{}.Shop.Loader.Load() + shelf.Shelf{}.Loader.Name + shop.Shop{}.Loader.Load() + shelf.Reader{}.Loader.Name }
-- site/shelf/shelf.go --
package shelf

import (
	"example.org/host/app"
	"example.org/site/shop"
)

type Shelf struct {
	shop.Shop
	Second Reader
}

type Reader struct{ app.Loader }
-- site/shelf/nested/go.mod --
module example.org/site/shelf/nested
-- site/shelf/nested/nested.go --
package nested

import "example.org/host/app"

var max = app.Max
-- site/shelf/testdata/data.go --
package data

import "example.org/host/app"

var max = app.Max
`

// rewritten is what the files that are changed become.
const rewritten = `
-- shelf/shelf.go --
package shelf

import (
	"example.org/host/app"
	"example.org/site/shop"
)

type Shelf struct {
	shop.Shop
	Second Reader
}

type Reader struct{ app.Reader }
-- shop/dot.go --
package shop

import . "example.org/host/app"

var limit = Most

func shadow(Max int) int { return Max }

func taken(Most int) int { return Most + Max }

type own struct{ Max, Value int }

func (own) Get() int { return own{Max: 1, Value: 2}.Max }

func (o own) Load() int { return o.Get() + o.Value }

var Standards = Standard.Read()
-- shop/embedded.go --
package shop

import "example.org/host/app"

// Shop embeds what was renamed.
type Shop struct {
	app.Reader // the reader
	*Inner

	Other int
}

// Inner embeds a generic type.
type Inner struct{ *app.Box[string] }

// Pile is generic itself.
type Pile[T any] struct{ app.Box[T] }

var pile = Pile[int]{Box: app.Box[int]{}}.Box.Size

// Branch embeds a shop.
type Branch struct {
	Shop
}

func read(b Branch) string {
	local := struct{ *app.Reader }{Reader: &app.Reader{Name: "x"}}
	s := Shop{Reader: app.Reader{Name: "Loader"}}
	_ = s.Reader.Read() + local.Reader.Read() + local.Read() + s.Open() + s.Content
	return b.Reader.Name + b.Read() + b.Shop.Reader.Read()
}
-- shop/external_test.go --
package shop_test

import (
	"testing"

	"example.org/site/shelf"
	"example.org/site/shop"
)

func TestExternal(t *testing.T) { _ = shelf.Shelf{}.Shop.Reader.Read() + shelf.Shelf{}.Reader.Name + shop.Shop{}.Reader.Read() + shelf.Reader{}.Reader.Name }
-- shop/generic.go --
package shop

import plug "example.org/host/app"

var (
	explicit = plug.Convert[int, string]
	inferred = plug.Convert([]int{1}, func(n int) string {
		// kept
		return "Map"
	})
)

var box = plug.Box[int]{
	Size:    1,             // aligned
	Content: plug.Most + 2, // aligned
}

func values() (int, func() int, func(*plug.Box[int]) int) {
	box.Content++
	_ = box.Open() + (&box).Open()
	return box.Content, box.Open, (*plug.Box[int]).Open
}
-- shop/internal_test.go --
package shop

import (
	"testing"

	"example.org/host/app"
)

func TestInternal(t *testing.T) { _ = app.Standard; _ = Branch{}.Reader.Name }
-- shop/shop.go --
// Package shop sells. It calls InTx.
package shop

import (
	"context"

	"example.org/host/app"
)

// Sell sells by app.InTx.
func Sell(ctx context.Context) error {
	// before
	return app.Within(ctx, func(ctx context.Context) error { // behind

		// InTx in a comment, and a blank line above
		if err := ctx.Err(); err != nil { return err } // app.InTx
		/* InTx */ return app.Within(ctx, /* nothing */ nil)
	})
}
`

func TestRewrite(t *testing.T) {
	t.Parallel()
	dir := module(t, siteFiles)
	want := tree(t, dir)
	var changed []string
	for _, file := range txtar.Parse([]byte(rewritten)).Files {
		changed = append(changed, file.Name)
		want[file.Name] = string(file.Data)
	}
	require.NoError(t, os.Chmod(filepath.Join(dir, "shop/shop.go"), 0o640))

	result, err := upgrade.Rewrite(t.Context(), dir, host)
	require.NoError(t, err)
	require.Equal(t, changed, result.Changed)
	require.Equal(t, want, tree(t, dir))
	require.Equal(t, left, result.Left)
	info, err := os.Stat(filepath.Join(dir, "shop/shop.go"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode())
	vet := exec.CommandContext(t.Context(), "go", "vet", "./...")
	vet.Dir = dir
	out, err := vet.CombinedOutput()
	require.NoError(t, err, string(out))

	again, err := upgrade.Rewrite(t.Context(), dir, host)
	require.NoError(t, err)
	require.Empty(t, again.Changed)
	require.Equal(t, want, tree(t, dir))
}

// left is what is left for people in the site.
var left = []upgrade.Remark{
	{File: "shop/dot.go", Line: 9, Text: "Max is called Most now; here that is the name of something else, so rename it by hand"},
	{File: "shop/generated.go", Line: 7, Text: "Max is called Most now; the file is generated, so generate it again"},
	{File: "shop/left.go", Line: 12, Text: "app.Old is deprecated: it did nothing. Remove the call."},
	{File: "shop/left.go", Line: 13, Text: "Options.Quick is deprecated: everything is quick."},
	{File: "shop/left.go", Line: 14, Text: "Load is called Read now; here that is the name of something else, so rename it by hand"},
	{File: "shop/other.go", Line: 11, Text: "Max seems to be the host's, which is called Most now; the file is not built on this system, so rename it by hand"},
	{File: "shop/other.go", Line: 13, Text: "Get seems to be the host's, which is called Open now; the file is not built on this system, so rename it by hand"},
	{File: "shop/other.go", Line: 15, Text: "Value seems to be the host's, which is called Content now; the file is not built on this system, so rename it by hand"},
}

func TestRenames(t *testing.T) {
	t.Parallel()
	const pkg = host + "/app"
	renames, err := upgrade.Renames(t.Context(), module(t, siteFiles), host)
	require.NoError(t, err)
	require.Equal(t, []upgrade.Rename{
		{pkg, "", "Crate", "Box"},
		{pkg, "", "Default", "Standard"},
		{pkg, "", "InTx", "Within"},
		{pkg, "", "Loader", "Reader"},
		{pkg, "", "Map", "Convert"},
		{pkg, "", "Max", "Most"},
		{pkg, "Box", "Get", "Open"},
		{pkg, "Box", "Value", "Content"},
		{pkg, "Reader", "Load", "Read"},
	}, renames)
}

func TestNothingIsWritten(t *testing.T) {
	t.Parallel()
	const use = "\nimport \"example.org/host/app\"\n\nvar x = app.Max\n"
	for name, c := range map[string]struct{ files, problem string }{
		"does not compile": {"-- site/a/a.go --\npackage a\n" + use + "-- site/b/b.go --\npackage b\n\nvar x int = \"\"\n",
			"the module does not compile, so nothing was changed; mend this first (go vet ./... finds the same):\n  b/b.go:3:13: cannot use"},
		"test does not compile": {"-- site/a/a.go --\npackage a\n" + use + "-- site/a/a_test.go --\npackage a\n\nvar y = z\n", "a/a_test.go:3:9: undefined: z"},
		"no Go":                 {"-- site/a/a.go --\npackage a\n" + use + "-- site/b/b.go --\npackage\n", "b/b.go:"},
		"no such package":       {"-- site/a/a.go --\npackage a\n" + use + "-- site/b/b.go --\npackage b\n\nimport _ \"example.org/host/gone\"\n", "example.org/host/gone"},
		"host is not used":      {"-- site/a/a.go --\npackage a\n", "imports one of example.org/host"},
		"two fields of a name": {"-- site/a/a.go --\npackage a\n" + use + "\ntype T struct {\n\tapp.Loader\n\tReader int\n}\n",
			"with the host's new names the module would not compile, so nothing was changed; rename these by hand first:\n  a/a.go:"},
		"a promoted field of a name": {"-- site/a/a.go --\npackage a\n" + use + "\ntype T struct{ app.Loader }\n\ntype U struct {\n\tT\n\tReader app.Loader\n}\n\nvar y = U{}.Loader\n",
			"rename these by hand first:\n  a/a.go:"},
		"many problems": {"-- site/a/a.go --\npackage a\n" + use + "-- site/b/b.go --\npackage b\n" + strings.Repeat("\nvar _ = y\n", 12), "and 2 more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := module(t, c.files)
			before := tree(t, dir)
			_, err := upgrade.Rewrite(t.Context(), dir, host)
			require.ErrorContains(t, err, c.problem)
			require.Equal(t, before, tree(t, dir))
		})
	}
}

// The host may be in the module cache, whose files cannot be written.
func TestTheHostIsOnlyRead(t *testing.T) {
	t.Parallel()
	dir := module(t, "-- site/a/a.go --\npackage a\n\nimport \"example.org/host/app\"\n\nvar x = app.Max\n")
	hostDir := filepath.Join(filepath.Dir(dir), "host")
	before := tree(t, hostDir)
	require.NoError(t, os.Chmod(filepath.Join(hostDir, "app/app.go"), 0o400))
	_, err := upgrade.Rewrite(t.Context(), dir, host)
	require.NoError(t, err)
	require.Equal(t, before, tree(t, hostDir))
}

// In the host's own module the old names are replaced as well, but where they are declared.
func TestTheHostItself(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(filepath.Dir(module(t, "-- host/domains/a.go --\npackage domains\n\nimport \"example.org/host/app\"\n\nvar x = app.Max\n"+
		"-- host/app/local.go --\npackage app\n\nfunc local() int {\n\tconst Max = 1\n\treturn Max\n}\n\nvar max = Max\n")), "host")
	want := tree(t, dir)
	want["domains/a.go"] = strings.Replace(want["domains/a.go"], "Max", "Most", 1)
	want["app/local.go"] = strings.Replace(want["app/local.go"], "max = Max", "max = Most", 1)
	result, err := upgrade.Rewrite(t.Context(), dir, host)
	require.NoError(t, err)
	require.Equal(t, []string{"app/local.go", "domains/a.go"}, result.Changed)
	require.Empty(t, result.Left)
	require.Equal(t, want, tree(t, dir))
}
