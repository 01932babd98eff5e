package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// tiny is a module of the layout of the real one.
const tiny = `
-- go.mod --
module example.org/tiny

go 1.26.0

require example.org/dep v1.0.0

replace example.org/dep => ./dep
-- dep/go.mod --
module example.org/dep

go 1.26.0
-- dep/dep.go --
package dep

type Handle struct{ Name string }

type Option interface{ apply() }

func (h *Handle) Close() error { return nil }
-- config/config.go --
package config

import "strings"

type Config struct{ Addr string }

type Base struct{ Size int; hidden strings.Builder }

func (b *Base) Grow() {}
-- app/app.go --
// Package app is the contract.
package app

import (
	"context"
	"net/http"
	"time"

	"example.org/dep"
)

// Code names a failure.
type Code string

const (
	// Gone is a code.
	Gone Code = "gone"
	// Most is a number.
	Most = 10_000
	Half = 1.0 / 3
	internal = 3
)

// Default is a variable.
var Default = http.Handler(nil)

var Wait = make(chan<- time.Duration)

// Event is what services implement.
type Event interface {
	Topic() string
}

// Option changes something.
type Option interface{ apply(o *Options) }

// Body is a struct.
type Body struct {
	dep.Handle
	base
	Size  int  ` + "`json:\"size\"`" + `
	Extra, More []byte
	private func()
}

type base struct{ Depth int }

// Up is promoted.
func (base) Up() {}

// Pair is generic.
type Pair[K comparable, V any] struct {
	Key K
	Val V
}

// Swap is a method of a generic type.
func (p *Pair[A, _]) Swap(key A) (old A) { return p.Key }

// Short is an alias.
type Short = Pair[string, []*Call]

// Do takes a function.
func Do(ctx context.Context, db *dep.Handle, fn func(context.Context) error) error { return fn(ctx) }

// Map is generic.
func Map[From, To any](list []From, fn func(From) To) []To { return nil }

// Limit returns a type of ours that is not exported.
func Limit(n int) limit { return limit{} }

type limit struct{ n int }

func (limit) apply(*Options) {}

// Value is of a type that is not exported.
func (l limit) Value() int { return l.n }
-- app/host_call.go --
package app

// Call is the host's.
type Call struct{ Depth int }

// Options are the host's.
type Options struct{ Size int }

// Inner is the host's view of a body.
func (b Body) Inner() int { return b.Size }

// Open is the host's.
func Open() *Call { return nil }
-- app/app_test.go --
package app

func Exported() {}
-- app/apptest/apptest.go --
package apptest

import (
	"example.org/tiny/app"
	"example.org/tiny/config"
)

// Kit is the test kit.
type Kit struct {
	*config.Base
	Code app.Code
}

// New makes one.
func New(change func(*config.Config), call *app.Call) *Kit { return nil }
-- infra/host/host.go --
package host

import app2 "example.org/tiny/app"

// Main runs.
func Main(code app2.Code) {}
-- infra/other/other.go --
package other

func NotPublic() {}
-- CHANGELOG.md --
# Changelog

## Unreleased

- A line.
`

// write puts a module into a folder of its own.
func write(t *testing.T, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, file := range txtar.Parse([]byte(text)).Files {
		put(t, dir, file.Name, string(file.Data))
	}
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(t, os.WriteFile(file, []byte(text), 0o600))
}

// edit replaces a text that stands in a file once.
func edit(t *testing.T, dir, name, old, now string) {
	t.Helper()
	text := read(t, dir, name)
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is not once in %s", old, name)
	}
	put(t, dir, name, strings.Replace(text, old, now, 1))
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	must(t, err)
	return string(text)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// call runs the command and returns what it prints.
func call(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := run(t.Context(), append([]string{"-dir", dir}, args...), &out, &out)
	return out.String(), err
}

// wantError fails the test unless the error has all the texts.
func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; expected %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("expected %q in: %v", text, err)
		}
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(context.WithoutCancel(t.Context()), "git", args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
