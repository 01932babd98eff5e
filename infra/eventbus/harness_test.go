package eventbus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"plugboard/app"
	"plugboard/app/apptest/emptydb"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
)

// site is where a bus keeps its events: a SQLite file or a Postgres schema, which outlives the bus.
type site struct {
	name string
	url  string
}

// eachSite runs test on a new SQLite file, and on a new schema of the Postgres server.
func eachSite(t *testing.T, test func(t *testing.T, at site)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, site{"sqlite", emptydb.SQLite(t)})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, newSchema(t))
	})
}

func newSchema(t *testing.T) site {
	t.Helper()
	return site{"postgres", emptydb.Postgres(t)}
}

func openAt(t *testing.T, at site) *database.DB {
	t.Helper()
	return emptydb.Open(t, at.url)
}

// plugin is a plugin made of its OnBoot.
type plugin struct{ onBoot func(b *app.Boot) }

func (p *plugin) OnBoot(b *app.Boot) { p.onBoot(b) }

// rig is a running bus.
type rig struct {
	t   *testing.T
	db  *database.DB
	bus *eventbus.Bus
	// dead is true if the test has closed the database: then the stop of the bus returns an error.
	dead bool
}

func settings() config.Events {
	return config.Events{
		Concurrency: 4, Attempts: 4, BackoffMin: time.Millisecond, BackoffMax: 4 * time.Millisecond, Timeout: 10 * time.Second,
		TxTimeout: 5 * time.Second, Buffer: 64, Lease: 30 * time.Second, Poll: 20 * time.Millisecond, Park: 50 * time.Millisecond, Retention: time.Hour,
		Schedules: true, Memory: 64 << 20,
	}
}

// began is the time at which the tests began.
var began = time.Now()

// eventID returns the id of the nth event that a test stores by itself. The id contains the present time, since the janitor deletes events
// with an old time in their ids.
func eventID[N int | int64](n N) string {
	ms := began.UnixMilli()
	return fmt.Sprintf("%08x-%04x-7000-8000-%012d", ms>>16, ms&0xffff, n)
}

// boot runs the plugins' OnBoot, named p0, p1, …
func boot(t *testing.T, bus *eventbus.Bus, onBoot ...func(b *app.Boot)) []app.BootedPlugin {
	t.Helper()
	r := app.NewRegistrar(bus.For, zap.NewNop())
	options := []fx.Option{fx.NopLogger, fx.Supply(r)}
	for i, f := range onBoot {
		options = append(options, app.Plugin[*plugin](fmt.Sprintf("p%d", i), func() *plugin { return &plugin{f} }))
	}
	require.NoError(t, fx.New(options...).Err())
	return r.Plugins()
}

// start runs a bus at a site with the given plugins.
func start(t *testing.T, at site, cfg config.Events, onBoot ...func(b *app.Boot)) *rig {
	t.Helper()
	r := prepare(t, at, cfg, onBoot...)
	require.NoError(t, r.bus.Start(t.Context()))
	return r
}

func prepare(t *testing.T, at site, cfg config.Events, onBoot ...func(b *app.Boot)) *rig {
	t.Helper()
	db := openAt(t, at)
	bus, err := eventbus.New(cfg, db, zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)), nil)
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{bus.Migrations()}))
	require.Empty(t, bus.Check(boot(t, bus, onBoot...)))
	r := &rig{t: t, db: db, bus: bus}
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if r.dead {
		ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		require.Error(r.t, r.bus.Stop(ctx))
		return
	}
	require.NoError(r.t, r.bus.Stop(ctx))
}

// idle waits until every event is handled.
func (r *rig) idle() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(r.t, r.bus.Idle(ctx))
}

// publish publishes as plugin p0.
func (r *rig) publish(event app.Event, opts ...app.PublishOption) {
	r.t.Helper()
	require.NoError(r.t, r.bus.For("p0").Publish(r.t.Context(), event, opts...))
}

// seen collects values from handlers.
type seen[T any] struct {
	mu     sync.Mutex
	values []T
}

func (s *seen[T]) add(v T) {
	s.mu.Lock()
	s.values = append(s.values, v)
	s.mu.Unlock()
}

// keep adds v after the commit of ctx's transaction, since the function of a transaction may run more than once. Without a transaction, it
// adds v at once.
func (s *seen[T]) keep(ctx context.Context, v T) {
	if tx, ok := database.TxFrom(ctx); ok {
		tx.Attach(nil, database.Participant{AfterCommit: func() { s.add(v) }})
		return
	}
	s.add(v)
}

func (s *seen[T]) all() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]T(nil), s.values...)
}

// number returns the number that a query finds.
func number(t *testing.T, db *database.DB, query string) (n int64) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	require.True(t, rows.Next())
	require.NoError(t, rows.Scan(&n))
	return n
}
