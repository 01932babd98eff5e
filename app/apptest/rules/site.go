package rules

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"golang.org/x/mod/modfile"

	"plugboard/app"
	"plugboard/app/apptest/internal/signed"
	"plugboard/config"
	"plugboard/infra/host/application"
	"plugboard/infra/httpclient"
)

// site is the service with its sources.
type site struct {
	options

	modules fx.Option
	root    string // the folder of its go.mod
	module  string // the path that go.mod names
	tree    fs.FS  // the files below root
}

// newSite returns the service that is made of modules, whose sources are in the folder or above.
func newSite(folder string, modules fx.Option, opts []Option) (*site, error) {
	s := &site{modules: modules, options: options{without: map[string]string{}}}
	for _, opt := range opts {
		opt(&s.options)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	from, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("find the module's folder: %w", err)
	}
	for s.root = from; ; s.root = filepath.Dir(s.root) {
		text, err := os.ReadFile(filepath.Join(s.root, "go.mod"))
		if err == nil {
			s.module, s.tree = modfile.ModulePath(text), os.DirFS(s.root)
			return s, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("find the module's folder: %w", err)
		}
		if s.root == filepath.Dir(s.root) {
			return nil, fmt.Errorf("find the module's folder: there is no go.mod in %s or above", from)
		}
	}
}

// settings are the defaults, with a database at url, no port of the machine's, and schedules that wait for nobody.
func settings(url string) config.Config {
	cfg := config.Default()
	cfg.Pool.Nice, cfg.Events.Schedules = 0, false
	cfg.HTTP.Addr, cfg.HTTP.Hosts, cfg.Ops.Addr = "127.0.0.1:0", []string{"*"}, "off"
	cfg.Database.URL = url
	return cfg
}

// assembled puts the application together, and opens nothing. Of its log, the test shows the errors alone.
func (s *site) assembled(t *testing.T, url string, more ...fx.Option) *application.App {
	t.Helper()
	quiet := fx.Decorate(func(*zap.Logger) *zap.Logger { return zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)) })
	extra := slices.Concat([]fx.Option{quiet, fx.Supply(&httpclient.Network{RoundTripper: nobody{}}, httpclient.Pace{First: 1, Longest: 1, CoolDown: 1})}, s.extra, more)
	a, err := application.New(settings(url), s.modules, application.With(extra...))
	if err != nil {
		t.Fatalf("the application cannot be put together: %v", err)
	}
	return a
}

// nobody stands in for all other services: generated requests call none.
type nobody struct{}

// RoundTrip implements http.RoundTripper.
func (nobody) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close() // it is not read
	}
	return nil, app.Permanent(app.Errorf(app.Unavailable, "the rules call no other service; stand in for it with rules.With(apptest.Outgoing(t))"))
}

// unopened is the application on a database that is never opened.
func (s *site) unopened(t *testing.T, more ...fx.Option) *application.App {
	t.Helper()
	return s.assembled(t, "sqlite:"+filepath.Join(t.TempDir(), "never.db"), more...)
}

// running is the application, started on a database of the test's. It knows the principals of package signed.
func (s *site) running(t *testing.T, url string, more ...fx.Option) *application.App {
	t.Helper()
	a := s.assembled(t, url, append(more, signed.Module())...)
	if err := a.Start(t.Context()); err != nil {
		t.Fatalf("start application: %v", err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop application: %v", err)
		}
	})
	return a
}

// has reports whether there is a file.
func (s *site) has(name string) bool {
	_, err := fs.Stat(s.tree, name)
	return err == nil
}

// files returns the files of a tree for which wanted is true. It does not look into folders that are no sources of the module: hidden
// ones, such as have a go.mod of their own, and what tools fetch or make.
func files(tree fs.FS, wanted func(name string) bool) ([]string, error) {
	var found []string
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && elsewhere(tree, name):
			return fs.SkipDir
		case entry.Type().IsRegular() && wanted(name):
			found = append(found, name)
		}
		return nil
	})
	return found, err
}

func elsewhere(tree fs.FS, folder string) bool {
	if folder == "." {
		return false
	}
	if strings.HasPrefix(path.Base(folder), ".") || contains([]string{"vendor", "node_modules", "bin", "data"}, folder) {
		return true
	}
	_, err := fs.Stat(tree, path.Join(folder, "go.mod"))
	return err == nil
}

func contains(list []string, value string) bool { return slices.Contains(list, value) }

// read returns a file's text. When there is none, the test is skipped with the reason, or fails when none is given.
func (s *site) read(t *testing.T, name, skip string) string {
	t.Helper()
	text, err := fs.ReadFile(s.tree, name)
	switch {
	case err == nil:
		return string(text)
	case errors.Is(err, fs.ErrNotExist) && skip != "":
		t.Skip(skip)
	case errors.Is(err, fs.ErrNotExist):
		t.Fatalf("there is no %s; %s", name, remedy)
	default:
		t.Fatal(err)
	}
	return ""
}
