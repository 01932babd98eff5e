package application_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/host/application"
)

// diary notes what happens in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.lines...)
}

// hooks appends hooks that are noted under name.
func (d *diary) hooks(name string) fx.Option {
	return fx.Invoke(func(lc fx.Lifecycle) {
		lc.Append(fx.StartStopHook(func() { d.note("start " + name) }, func() { d.note("stop " + name) }))
	})
}

// ending is a plugin with a Shutdown.
type ending struct {
	booting
	shutdown func(context.Context) error
}

func (e *ending) Shutdown(ctx context.Context) error { return e.shutdown(ctx) }

func ends(name string, shutdown func(context.Context) error) app.PluginModule {
	return app.Plugin[*ending](name, func() *ending { return &ending{shutdown: shutdown} })
}

func TestStartAndStopInOrder(t *testing.T) {
	t.Parallel()
	var d diary
	shutdown := func(name string) app.PluginModule {
		return ends(name, func(context.Context) error {
			d.note("shut down " + name)
			return nil
		})
	}
	a := newApp(t, settings(t), d.hooks("first"), d.hooks("second"), shutdown("a.one"), shutdown("a.two"))
	require.Empty(t, a.Addr())
	require.Empty(t, d.read(), "a hook ran before the start")
	require.NoError(t, a.Start(t.Context()))
	require.Equal(t, http.StatusOK, get(t, a, "/readyz"))
	require.EqualError(t, a.Start(t.Context()), "start application: it has been started before")
	require.NoError(t, stopApp(t, a))
	require.NoError(t, stopApp(t, a), "a second stop does nothing")
	require.Equal(t, []string{
		"start first", "start second", "shut down a.two", "shut down a.one", "stop second", "stop first",
	}, d.read())
}

func TestStopWithoutStart(t *testing.T) {
	t.Parallel()
	a := newApp(t, settings(t))
	require.NoError(t, stopApp(t, a))
}

// TestAnnotatedHooks holds that hooks which Fx appends for a constructor run like others.
func TestAnnotatedHooks(t *testing.T) {
	t.Parallel()
	var d diary
	a := newApp(t, settings(t),
		fx.Provide(fx.Annotate(func() *Mailer { return &Mailer{} },
			fx.OnStart(func(*Mailer) { d.note("start") }), fx.OnStop(func(*Mailer) { d.note("stop") }))),
		fx.Invoke(func(*Mailer) {}))
	require.NoError(t, a.Start(t.Context()))
	require.NoError(t, stopApp(t, a))
	require.Equal(t, []string{"start", "stop"}, d.read())
}

// TestStartErrors breaks the start in each of its phases. Each is named, what was opened before is closed
// again, and nothing is left of it.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(t *testing.T, cfg *config.Config) []fx.Option
		want    string
	}{
		"port in use": {
			prepare: func(t *testing.T, cfg *config.Config) []fx.Option {
				cfg.HTTP.Addr = mustNotOpen(t).addr
				return nil
			},
			want: "bind the port: listen on ADDR: another process uses this address; stop it, or set APP_HTTP_ADDR: listen tcp ADDR: bind: address already in use",
		},
		"unwritable database": {
			prepare: func(t *testing.T, cfg *config.Config) []fx.Option {
				file := filepath.Join(t.TempDir(), "file")
				require.NoError(t, os.WriteFile(file, nil, 0o600))
				cfg.Database.URL = "sqlite:" + filepath.Join(file, "test.db")
				return nil
			},
			want: "open the database: open database FILE: create folder DIR/file: not a directory",
		},
		"database in use": {
			prepare: func(t *testing.T, cfg *config.Config) []fx.Option {
				busy := *cfg
				busy.HTTP.Addr = "127.0.0.1:0"
				other := newApp(t, busy)
				require.NoError(t, other.Start(t.Context()))
				t.Cleanup(func() { require.NoError(t, stopApp(t, other)) })
				return nil
			},
			want: "open the database: open database FILE: another process (PID) has it open; a SQLite file belongs to one process at a time, so stop the other one or use Postgres",
		},
		"bad migration": {
			prepare: func(*testing.T, *config.Config) []fx.Option {
				return []fx.Option{app.Domain("shop", app.Migrations(fstest.MapFS{
					"sqlite/00001_orders.sql":   {Data: []byte("-- +goose Up\nCREATE TABEL orders (id INTEGER);\n")},
					"postgres/00001_orders.sql": {Data: []byte("-- +goose Up\nSELECT 1;\n")},
				}))}
			},
			want: "run the migrations: migrate domain shop: sqlite/00001_orders.sql: SQL logic error: near \"TABEL\": syntax error (PID)\nin the statement: CREATE TABEL orders (id INTEGER);",
		},
		"migrations not run": {
			prepare: func(_ *testing.T, cfg *config.Config) []fx.Option {
				cfg.Database.Migrate = false
				return nil
			},
			want: "check the migrations: the database is not migrated; run the migrate command, or set database.migrate: domain eventbus: sqlite/00001_bus.sql has not been applied\ndomain eventbus: sqlite/00002_suspects.sql has not been applied\ndomain eventbus: sqlite/00003_schedules.sql has not been applied\ndomain eventbus: sqlite/00004_first_numbers.sql has not been applied\ndomain eventbus: sqlite/00005_adopted.sql has not been applied\ndomain eventbus: sqlite/00006_hardening.sql has not been applied\ndomain plugboard_once: sqlite/00001_once.sql has not been applied",
		},
		"hook that fails": {
			prepare: func(*testing.T, *config.Config) []fx.Option {
				return []fx.Option{fx.Invoke(onStart(func(context.Context) error { return errors.New("no route to host") }))}
			},
			want: "start hook of application_test.hookFunc.atStart (infra/host/application/lifecycle_test.go:N): no route to host",
		},
		"hook that hangs": {
			prepare: func(t *testing.T, cfg *config.Config) []fx.Option {
				cfg.Lifecycle.HookTimeout = 50 * time.Millisecond
				release := make(chan struct{})
				t.Cleanup(func() { close(release) })
				return []fx.Option{fx.Invoke(onStart(func(context.Context) error {
					<-release
					return nil
				}))}
			},
			want: "start hook of application_test.hookFunc.atStart (infra/host/application/lifecycle_test.go:N): did not return within 50ms, and was abandoned",
		},
		"hook that is slow": {
			prepare: func(_ *testing.T, cfg *config.Config) []fx.Option {
				cfg.Lifecycle.HookTimeout = 50 * time.Millisecond
				return []fx.Option{fx.Invoke(onStart(func(ctx context.Context) error {
					<-ctx.Done()
					return ctx.Err()
				}))}
			},
			want: "start hook of application_test.hookFunc.atStart (infra/host/application/lifecycle_test.go:N): did not finish within 50ms: context deadline exceeded",
		},
		"hook that panics": {
			prepare: func(*testing.T, *config.Config) []fx.Option {
				return []fx.Option{fx.Invoke(onStart(func(context.Context) error { panic("no cable") }))}
			},
			want: "start hook of application_test.hookFunc.atStart (infra/host/application/lifecycle_test.go:N): panicked: no cable",
		},
		"hook that appends another": {
			prepare: func(*testing.T, *config.Config) []fx.Option {
				return []fx.Option{fx.Invoke(func(lc fx.Lifecycle) {
					onStart(func(context.Context) error {
						onStop(func(context.Context) error { return nil })(lc)
						return nil
					})(lc)
				})}
			},
			want: "start hook of application_test.hookFunc.atStart (infra/host/application/lifecycle_test.go:N): panicked: " +
				"a hook was appended after the start had begun, by application_test.hookFunc.atStop (infra/host/application/lifecycle_test.go:N)",
		},
		"hook that ends its goroutine": {
			prepare: func(*testing.T, *config.Config) []fx.Option {
				return []fx.Option{fx.Invoke(onStart(func(context.Context) error {
					runtime.Goexit()
					return nil
				}))}
			},
			want: "start hook of application_test.hookFunc.atStart (infra/host/application/lifecycle_test.go:N): ended its goroutine instead of returning",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t)
			cfg.HTTP.Addr = freeAddr(t)
			parts := tt.prepare(t, &cfg)
			var d diary
			// The last hook must not start, the first must be stopped.
			parts = append(append([]fx.Option{d.hooks("first")}, parts...), d.hooks("last"))
			a := newApp(t, cfg, parts...)
			err := a.Start(t.Context())
			require.Error(t, err)
			require.Equal(t, tt.want, named(err.Error(), cfg))
			require.NotContains(t, d.read(), "start last")
			if strings.HasPrefix(name, "hook") {
				require.Equal(t, []string{"start first", "stop first"}, d.read())
			}
			require.NoError(t, stopApp(t, a))
			verifyReleased(t, name, cfg)
		})
	}
}

// hookFunc appends hooks under a name of its own, whatever the compiler makes of closures.
type hookFunc func(context.Context) error

func (f hookFunc) atStart(lc fx.Lifecycle) { lc.Append(fx.Hook{OnStart: f}) }
func (f hookFunc) atStop(lc fx.Lifecycle)  { lc.Append(fx.Hook{OnStop: f}) }

// onStart is an invoked function whose hook starts with start.
func onStart(start hookFunc) func(fx.Lifecycle) { return start.atStart }

// onStop is an invoked function whose hook stops with stop.
func onStop(stop hookFunc) func(fx.Lifecycle) { return stop.atStop }

// verifyReleased starts another application on the same port and the same database file.
func verifyReleased(t *testing.T, name string, cfg config.Config) {
	t.Helper()
	switch name {
	case "port in use", "unwritable database", "database in use":
		cfg.Database.URL = settings(t).Database.URL
	}
	if name == "port in use" {
		return
	}
	cfg.Database.Migrate = true
	cfg.Lifecycle = config.Default().Lifecycle
	a := newApp(t, cfg)
	require.NoError(t, a.Start(t.Context()), "something was not released")
	require.NoError(t, stopApp(t, a))
}

// named puts names in the place of what differs from run to run.
func named(text string, cfg config.Config) string {
	file := strings.TrimPrefix(cfg.Database.URL, "sqlite:")
	return withoutLines(pid.ReplaceAllString(strings.NewReplacer(
		file, "FILE", filepath.Dir(filepath.Dir(file)), "DIR", filepath.Dir(file), "DIR/"+filepath.Base(filepath.Dir(file)), cfg.HTTP.Addr, "ADDR").Replace(text), "(PID)"))
}

// freeAddr returns an address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// TestCancelledStart holds that a start that is told to stop is undone.
func TestCancelledStart(t *testing.T) {
	t.Parallel()
	var d diary
	entered := make(chan struct{})
	cfg := settings(t)
	a := newApp(t, cfg, d.hooks("first"), fx.Invoke(onStart(func(ctx context.Context) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	})), d.hooks("last"))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- a.Start(ctx) }()
	soon(t, entered, "the start of the second hook")
	cancel()
	require.ErrorIs(t, soon(t, result, "the end of the start"), context.Canceled)
	require.Equal(t, []string{"start first", "stop first"}, d.read())
	verifyReleased(t, "", cfg)
}

// TestHangingStop holds that the stop goes on when one part hangs, panics or fails. It waits for the default timeout: with a short
// one, a busy machine failed to close the database in time.
func TestHangingStop(t *testing.T) {
	t.Parallel()
	var d diary
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	cfg := settings(t)
	a := newApp(t, cfg,
		d.hooks("first"),
		fx.Invoke(onStop(func(context.Context) error { return errors.New("cannot be stopped") })),
		fx.Invoke(onStop(func(context.Context) error { panic("too late") })),
		d.hooks("second"),
		fx.Invoke(onStop(func(context.Context) error {
			<-release
			return nil
		})),
		ends("a.hanging", func(context.Context) error {
			<-release
			return nil
		}),
		ends("a.fine", func(context.Context) error {
			d.note("shut down")
			return nil
		}),
	)
	require.NoError(t, a.Start(t.Context()))
	err := stopApp(t, a)
	require.Equal(t, strings.Join([]string{
		"shut down plugin a.hanging (infra/host/application/lifecycle_test.go:N): did not return within 5s, and was abandoned",
		"stop hook of application_test.hookFunc.atStop (infra/host/application/lifecycle_test.go:N): did not return within 5s, and was abandoned",
		"stop hook of application_test.hookFunc.atStop (infra/host/application/lifecycle_test.go:N): panicked: too late",
		"stop hook of application_test.hookFunc.atStop (infra/host/application/lifecycle_test.go:N): cannot be stopped",
	}, "\n"), withoutLines(err.Error()))
	require.Equal(t, []string{"start first", "start second", "shut down", "stop second", "stop first"}, d.read())
	verifyReleased(t, "", cfg)
}

// TestOverlongRequest holds that a request which does not end in the drain's time is told to, while its
// database is still open, and that the stop reports it.
func TestOverlongRequest(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Lifecycle.DrainTimeout = 100 * time.Millisecond
	entered, ended := make(chan struct{}), make(chan error, 1)
	var a *application.App
	a = newApp(t, cfg, boots("a.long", func(b *app.Boot) {
		b.GET("/long", app.Handle(func(ctx context.Context, _ app.Empty) (app.Empty, error) {
			close(entered)
			<-ctx.Done()
			ended <- a.DB().Ping(context.WithoutCancel(ctx))
			return app.Empty{}, ctx.Err()
		}))
	}), ends("a.ending", func(context.Context) error {
		require.NoError(t, soon(t, ended, "the end of the request"), "the database was closed before")
		return nil
	}))
	require.NoError(t, a.Start(t.Context()))
	caller := client(t)
	url := "http://" + a.Addr() + "/long"
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if answer, err := caller.Get(url); err == nil {
			_ = answer.Body.Close()
		}
	}()
	soon(t, entered, "the request")
	require.ErrorContains(t, stopApp(t, a), "drain requests: did not finish within 100ms: ")
	soon(t, asked, "the end of the call")
}

// TestDrainDelay holds that the service, told to stop, goes on to serve for the delay, and says that it leaves.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Lifecycle.DrainDelay = 2 * time.Second
	a := newApp(t, cfg)
	require.NoError(t, a.Start(t.Context()))
	addr := a.Addr()
	require.Equal(t, http.StatusOK, get(t, a, "/readyz"))
	stopped := make(chan error, 1)
	go func() { stopped <- stopApp(t, a) }()
	deadline := time.Now().Add(patience)
	for get(t, a, "/readyz") != http.StatusServiceUnavailable {
		require.True(t, time.Now().Before(deadline), "the service stayed ready")
	}
	answer, err := client(t).Get("http://" + addr + "/livez")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.True(t, answer.Close, "the answer does not say that the connection is closed")
	require.NoError(t, soon(t, stopped, "the stop"))
	_, err = net.Dial("tcp", addr)
	require.Error(t, err, "the port is still open")
}

// TestShutdowner holds that a part may ask for the application's end the way Fx offers.
func TestShutdowner(t *testing.T) {
	t.Parallel()
	var shutdowner fx.Shutdowner
	a := newApp(t, settings(t), fx.Populate(&shutdowner))
	require.NoError(t, a.Start(t.Context()))
	require.NoError(t, shutdowner.Shutdown(fx.ExitCode(7)))
	require.NoError(t, shutdowner.Shutdown(), "twice is once")
	soon(t, a.Done(), "the end that was asked for")
	require.NoError(t, stopApp(t, a))
}

// client returns a client that leaves no connection behind.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func get(t *testing.T, a *application.App, path string) int {
	t.Helper()
	answer, err := client(t).Get("http://" + a.Addr() + path)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}
