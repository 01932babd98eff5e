package site_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/stretchr/testify/require"
)

// changes makes the next version of the host: a function that takes a closure and a generic one have other names, the bus
// has a migration more, lint has a rule more.
func (h *host) changes() {
	h.Replace("app/tx.go", "// InTx runs", "// Within runs")
	h.Replace("app/tx.go", "func InTx(", "func Within(")
	h.append("app/tx.go", `
// InTx is [Within].
//
// Deprecated: use [Within].
//
//plug:renamed Within
func InTx(ctx context.Context, db *gorm.DB, fn func(ctx context.Context) error) error { return Within(ctx, db, fn) }
`)
	h.Replace("app/apptest/parts.go", "// Record returns", "// Recording returns")
	h.Replace("app/apptest/parts.go", "func Record[", "func Recording[")
	h.append("app/apptest/parts.go", `
// Record is [Recording].
//
// Deprecated: use [Recording].
//
//plug:renamed Recording
func Record[E app.Event]() *Recorder[E] { return Recording[E]() }
`)
	for _, name := range []string{"sqlite/00007_extra.sql", "postgres/00008_extra.sql"} {
		h.Write("infra/eventbus/internal/outbox/store/migrations/"+name,
			"-- +goose Up\nCREATE TABLE bus_extra (id BIGINT PRIMARY KEY);\n\n-- +goose Down\nDROP TABLE bus_extra;\n")
	}
	h.Replace("app/plug/lint/gormcall.go", `r.callsApp(call, "InTx", "Once")`, `r.callsApp(call, "InTx", "Once", "Within")`)
	h.Replace("app/plug/lint/lint.go", "importsRule(), ", "importsRule(), panicsRule(), ")
	h.Write("app/plug/lint/panics.go", `package lint

import "go/ast"

func panicsRule() definition {
	return define("panics", "a plugin does not panic", func(r rule) {
		if !r.plugins() {
			return
		}
		for _, f := range r.sources() {
			eachCall(f, func(call *ast.CallExpr) {
				if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
					r.report(call.Pos(), "return an error instead")
				}
			})
		}
	})
}
`)
	h.Replace("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n## v0.2.0 - 2026-02-01\n\nInTx is called Within.\n")
}

// append adds a text to the end of a file.
func (h *host) append(file, text string) { h.Write(file, h.Read(file)+text) }

// goesToTheNextVersion upgrades by one command while a replica of the version before serves, and goes back and forth
// between both on one database, under load.
func (s *service) goesToTheNextVersion(database string) {
	t := s.T
	s.Must("go build -o bin/before .")
	before := s.serve("bin/before", database)
	l := startLoad(t, before.address)
	defer l.end()
	l.reaches(50)

	s.isNotUpgradedBroken()
	plugin, test := s.Read("domains/notes/plugins/write_note.go"), s.Read("domains/notes/plugins/write_note_test.go")
	output := s.Must("go tool plug upgrade v0.2.0")
	require.Contains(t, output, "v0.2.0, 2026-02-01\nInTx is called Within.")
	for _, want := range []string{"go tool plug docs --check", "go tool plug lint ./...", "ok  \t" + shop + "\t", "CGO_ENABLED=0 go build", "its checks pass"} {
		require.Contains(t, output, want)
	}
	require.Equal(t, strings.ReplaceAll(plugin, "app.InTx(", "app.Within("), s.Read("domains/notes/plugins/write_note.go"))
	require.Equal(t, strings.ReplaceAll(test, "apptest.Record[", "apptest.Recording["), s.Read("domains/notes/plugins/write_note_test.go"))
	require.Contains(t, s.Read("go.mod"), s.host.path+" v0.2.0")

	s.Must("go build -o bin/shop .")
	after := s.serve("bin/shop", database)
	both := []string{before.address, after.address}
	l.targets.Store(&both)
	l.reaches(100)
	l.moves(before, after.address)
	l.reaches(50)
	back := s.serve("bin/before", database)
	l.moves(after, back.address)
	l.reaches(50)
	l.end()
	require.Zero(t, l.bad.Load(), "of %d requests; the first: %s", l.count.Load(), l.first)
	s.isComplete(back, database, l.stored)

	s.finds("domains/orders/plugins/place_order.go", "\tapp.Logger(", "\tpanic(\"at once\")\n\tapp.Logger(", "return an error instead")
}

// isNotUpgradedBroken sees the requirement put back when the service cannot be adapted, since it does not compile.
func (s *service) isNotUpgradedBroken() {
	t := s.T
	mod, sum := s.Read("go.mod"), s.Read("go.sum")
	s.Write("domains/orders/plugins/broken.go", "package plugins\n\nvar broken int = \"\"\n")
	s.Fails("go tool plug upgrade v0.2.0", "broken.go:3", "requires "+s.host.path+" v0.1.0 as before")
	require.Equal(t, mod, s.Read("go.mod"))
	require.Equal(t, sum, s.Read("go.sum"))
	require.NoError(t, os.Remove(filepath.Join(s.Dir, "domains", "orders", "plugins", "broken.go")))
}

// moves sends all further requests to another replica, and stops the one.
func (l *load) moves(from *process, to string) {
	l.t.Helper()
	l.targets.Store(&[]string{to})
	from.end(syscall.SIGTERM)
}

// finds plants a text in a file, sees lint find it, and takes it out again.
func (s *service) finds(file, old, with, want string) {
	s.T.Helper()
	before := s.Read(file)
	s.Replace(file, old, with)
	s.Fails("go tool plug lint", want)
	s.Write(file, before)
}

// vendored is a copy of the service with all modules in its folder vendor.
func (s *service) vendored() *service {
	v := s.copied()
	v.Must("go mod vendor")
	return v
}

// goesToTheNextVersionVendored upgrades a service that has all modules in its folder.
func (s *service) goesToTheNextVersionVendored() {
	s.Write("Makefile", "check:\n\tgo vet ./...\n")              // the rest was checked without vendor
	s.Must("go run " + s.host.path + "/app/plug@v0.1.0 upgrade") // the same as go tool plug, which would be compiled from vendor first
	require.Contains(s.T, s.Read("vendor/modules.txt"), s.host.path+" v0.2.0\n")
	s.Must("go build -mod=vendor -o bin/shop .")
	require.Contains(s.T, s.Must("bin/shop version"), s.host.path+" v0.2.0")
	s.Must("go tool plug docs --check")
	s.Must("go tool plug lint")
}
