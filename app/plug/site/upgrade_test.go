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
	h.edit("app/tx.go", "// InTx runs", "// Within runs")
	h.edit("app/tx.go", "func InTx(", "func Within(")
	h.append("app/tx.go", `
// InTx is [Within].
//
// Deprecated: use [Within].
//
//plug:renamed Within
func InTx(ctx context.Context, db *gorm.DB, fn func(ctx context.Context) error) error { return Within(ctx, db, fn) }
`)
	h.edit("app/apptest/parts.go", "// Record returns", "// Recording returns")
	h.edit("app/apptest/parts.go", "func Record[", "func Recording[")
	h.append("app/apptest/parts.go", `
// Record is [Recording].
//
// Deprecated: use [Recording].
//
//plug:renamed Recording
func Record[E app.Event]() *Recorder[E] { return Recording[E]() }
`)
	for _, name := range []string{"sqlite/00007_extra.sql", "postgres/00008_extra.sql"} {
		write(h.t, h.dir, "infra/eventbus/internal/outbox/store/migrations/"+name,
			"-- +goose Up\nCREATE TABLE bus_extra (id BIGINT PRIMARY KEY);\n\n-- +goose Down\nDROP TABLE bus_extra;\n")
	}
	h.edit("app/plug/lint/gormcall.go", `r.callsApp(call, "InTx")`, `r.callsApp(call, "InTx", "Within")`)
	h.edit("app/plug/lint/lint.go", "importsRule(), ", "importsRule(), panicsRule(), ")
	write(h.t, h.dir, "app/plug/lint/panics.go", `package lint

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
	h.edit("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n## v0.2.0 - 2026-02-01\n\nInTx is called Within.\n")
}

func (h *host) append(file, text string) {
	h.t.Helper()
	name := filepath.Join(h.dir, filepath.FromSlash(file))
	before, err := os.ReadFile(name)
	require.NoError(h.t, err)
	require.NoError(h.t, os.WriteFile(name, append(before, text...), 0o600))
}

// goesToTheNextVersion upgrades by one command while a replica of the version before serves, and goes back and forth
// between both on one database, under load.
func (s *service) goesToTheNextVersion(database string) {
	t := s.t
	s.must("go build -o bin/before .")
	before := s.serve("bin/before", database)
	l := startLoad(t, before.address)
	defer l.end()
	l.reaches(50)

	plugin, test := s.read("domains/notes/plugins/write_note.go"), s.read("domains/notes/plugins/write_note_test.go")
	output := s.must("go tool plug upgrade v0.2.0")
	require.Contains(t, output, "v0.2.0, 2026-02-01\nInTx is called Within.")
	require.Contains(t, output, "its checks pass")
	require.Equal(t, strings.ReplaceAll(plugin, "app.InTx(", "app.Within("), s.read("domains/notes/plugins/write_note.go"))
	require.Equal(t, strings.ReplaceAll(test, "apptest.Record[", "apptest.Recording["), s.read("domains/notes/plugins/write_note_test.go"))
	require.Contains(t, s.read("go.mod"), s.host.path+" v0.2.0")

	s.must("go build -o bin/shop .")
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

// moves sends all further requests to another replica, and stops the one.
func (l *load) moves(from *process, to string) {
	l.t.Helper()
	l.targets.Store(&[]string{to})
	from.end(syscall.SIGTERM)
}

// finds plants a text in a file, sees lint find it, and takes it out again.
func (s *service) finds(file, old, with, want string) {
	s.t.Helper()
	before := s.read(file)
	name := filepath.Join(s.dir, filepath.FromSlash(file))
	replace(s.t, name, old, with)
	s.fails("go tool plug lint", want)
	require.NoError(s.t, os.WriteFile(name, []byte(before), 0o600))
}

// vendored is a copy of the service with all modules in its folder vendor.
func (s *service) vendored() *service {
	v := s.host.service()
	require.NoError(s.t, os.CopyFS(v.dir, os.DirFS(s.dir)))
	v.must("go mod vendor")
	return v
}

// goesToTheNextVersionVendored upgrades a service that has all modules in its folder.
func (s *service) goesToTheNextVersionVendored() {
	write(s.t, s.dir, "Makefile", "check:\n\tgo vet ./...\n")    // the rest was checked without vendor
	s.must("go run " + s.host.path + "/app/plug@v0.1.0 upgrade") // the same as go tool plug, which would be compiled from vendor first
	require.Contains(s.t, s.read("vendor/modules.txt"), s.host.path+" v0.2.0\n")
	s.must("go build -mod=vendor -o bin/shop .")
	require.Contains(s.t, s.must("bin/shop version"), s.host.path+" v0.2.0")
	s.must("go tool plug docs --check")
	s.must("go tool plug lint")
}
