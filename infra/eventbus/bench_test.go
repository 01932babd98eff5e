package eventbus_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
)

// Ping is a small volatile event.
type Ping struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

func (Ping) Topic() string { return "bench.ping" }

// PingRead is the subscriber's struct of it.
type PingRead struct {
	ID    int64   `json:"id"`
	Price float64 `json:"price"`
}

func (PingRead) Topic() string { return "bench.ping" }

// BenchmarkVolatile publishes in bursts that fit the buffer and waits for the handling of each. Both goroutines' processor
// time is reported too: it is less noisy than the time of the clock.
func BenchmarkVolatile(b *testing.B) {
	for name, opts := range map[string][]app.SubscribeOption{
		"one":  {app.Volatile(), app.Concurrency(1)},
		"four": {app.Volatile()},
	} {
		b.Run(name, func(b *testing.B) {
			var handled, target atomic.Int64
			done := make(chan struct{}, 1)
			bus := benchRig(b, publishes(Ping{}), subscribes(app.On(func(context.Context, PingRead) error {
				if handled.Add(1) == target.Load() {
					done <- struct{}{}
				}
				return nil
			}), opts...)).For("p0")
			ctx := context.Background()
			b.ReportAllocs()
			b.ResetTimer()
			used := processorTime(b)
			for first := 0; first < b.N; first += 1000 {
				n := min(1000, b.N-first)
				handled.Store(0)
				target.Store(int64(n))
				for i := range n {
					_ = bus.Publish(ctx, Ping{ID: int64(first + i), Name: "Desk lamp", Price: 49.9})
				}
				<-done
			}
			b.ReportMetric(float64(processorTime(b)-used)/float64(b.N), "cpu-ns/op")
		})
	}
}

// processorTime is what the process has used so far, in all its threads.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func benchRig(b *testing.B, onBoot ...func(b *app.Boot)) *eventbus.Bus {
	b.Helper()
	bus, _ := benchRigDB(b, onBoot...)
	return bus
}

func benchRigDB(b *testing.B, onBoot ...func(b *app.Boot)) (*eventbus.Bus, *database.DB) {
	b.Helper()
	c := config.Database{URL: "sqlite:" + filepath.Join(b.TempDir(), "x.db"), MaxConns: 4, BusyTimeout: 10e9, OpenTimeout: 10e9}
	db, err := database.New(c, zap.NewNop())
	require.NoError(b, err)
	require.NoError(b, db.Open(context.Background()))
	cfg := settings()
	cfg.Buffer, cfg.Poll = 1024, 1e9
	bus, err := eventbus.New(cfg, db, zap.NewNop(), nil)
	require.NoError(b, err)
	require.NoError(b, db.Migrate(context.Background(), []database.MigrationSet{bus.Migrations()}))
	r := app.NewRegistrar(bus.For, zap.NewNop())
	options := []fx.Option{fx.NopLogger, fx.Supply(r)}
	for i, f := range onBoot {
		options = append(options, app.Plugin[*plugin](fmt.Sprintf("p%d", i), func() *plugin { return &plugin{f} }))
	}
	require.NoError(b, fx.New(options...).Err())
	require.Empty(b, bus.Check(r.Plugins()))
	require.NoError(b, bus.Start(context.Background()))
	b.Cleanup(func() {
		_ = bus.Stop(context.Background())
		_ = db.Close(context.Background())
	})
	return bus, db
}

func BenchmarkDurable(b *testing.B) {
	for _, kind := range []string{"insert", "on", "ontx"} {
		b.Run(kind, func(b *testing.B) {
			sub := app.On(func(context.Context, Ping) error { return nil })
			if kind == "ontx" {
				sub = app.OnTx(func(context.Context, Ping) error { return nil })
			}
			bus, db := benchRigDB(b, publishes(Ping{}), subscribes(sub))
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			_, err := db.ExecContext(ctx, "CREATE TABLE rows (id INTEGER PRIMARY KEY, name TEXT)")
			require.NoError(b, err)
			_, err = db.ExecContext(ctx, "CREATE TABLE box (id INTEGER PRIMARY KEY, topic TEXT, payload TEXT)")
			require.NoError(b, err)
			p := bus.For("p0")
			b.SetParallelism(4)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					err := db.InTx(ctx, func(ctx context.Context) error {
						if _, err := db.ExecContext(ctx, "INSERT INTO rows (name) VALUES (?)", "x"); err != nil {
							return err
						}
						if kind == "insert" {
							_, err := db.ExecContext(ctx, "INSERT INTO box (topic, payload) VALUES (?, ?)", "bench.ping", `{"id":1,"name":"x"}`)
							return err
						}
						return p.Publish(ctx, Ping{ID: 1, Name: "x"})
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
			require.NoError(b, bus.Idle(ctx))
		})
	}
}

// BenchmarkTransactional publishes in large transactions, so that what is measured is mostly the handling: each handler
// stores a row. Of those that fail, each does so the first time.
func BenchmarkTransactional(b *testing.B) {
	for name, every := range map[string]int64{"well": 0, "half-fail": 2, "some-fail": 200} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			var db *database.DB
			bus, opened := benchRigDB(b, publishes(Ping{}), subscribes(app.OnTx(func(ctx context.Context, e Ping) error {
				if d, _ := app.DeliveryFrom(ctx); every > 0 && e.ID%every == 0 && d.Attempt == 1 {
					return errBroken
				}
				_, err := db.ExecContext(ctx, "INSERT INTO rows (name) VALUES (?)", e.Name)
				return err
			})))
			db = opened
			_, err := db.ExecContext(ctx, "CREATE TABLE rows (id INTEGER PRIMARY KEY, name TEXT)")
			require.NoError(b, err)
			b.ResetTimer()
			used := processorTime(b)
			for first := 0; first < b.N; first += 500 {
				require.NoError(b, db.InTx(ctx, func(ctx context.Context) error {
					for i := first; i < min(first+500, b.N); i++ {
						if err := bus.For("p0").Publish(ctx, Ping{ID: int64(i), Name: "x"}); err != nil {
							return err
						}
					}
					return nil
				}))
				require.NoError(b, bus.Idle(ctx))
			}
			b.ReportMetric(float64(processorTime(b)-used)/float64(b.N), "cpu-ns/op")
		})
	}
}
