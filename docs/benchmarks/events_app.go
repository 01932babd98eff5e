package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/fx"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/host/application"
	"plugboard/infra/httpserver"
	"plugboard/infra/logging"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

//go:embed migrations
var migrationFiles embed.FS

// The topics of the comparisons, each with one subscriber.
const (
	volatileTopic = "bench.volatile"
	serialTopic   = "bench.volatile_serial"
	onTopic       = "bench.on"
	onTxTopic     = "bench.on_tx"
)

// What is published; each topic has a type of its own.
type placedVolatile struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

type placedSerial struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

type placedOn struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

type placedOnTx struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

// Topic implements app.Event.
func (placedVolatile) Topic() string { return volatileTopic }

// Topic implements app.Event.
func (placedSerial) Topic() string { return serialTopic }

// Topic implements app.Event.
func (placedOn) Topic() string { return onTopic }

// Topic implements app.Event.
func (placedOnTx) Topic() string { return onTxTopic }

// The subscribers' own structs, with the fields they read.
type seenVolatile struct {
	ID    int64   `json:"id"`
	Price float64 `json:"price"`
}

type seenSerial struct {
	ID    int64   `json:"id"`
	Price float64 `json:"price"`
}

type seenOn struct {
	ID    int64   `json:"id"`
	Price float64 `json:"price"`
}

type seenOnTx struct {
	ID    int64   `json:"id"`
	Price float64 `json:"price"`
}

// Topic implements app.Event.
func (seenVolatile) Topic() string { return volatileTopic }

// Topic implements app.Event.
func (seenSerial) Topic() string { return serialTopic }

// Topic implements app.Event.
func (seenOn) Topic() string { return onTopic }

// Topic implements app.Event.
func (seenOnTx) Topic() string { return onTxTopic }

// order mirrors bench_orders, the row a transaction of the comparisons stores.
type orderRow struct {
	ID    int64 `gorm:"primaryKey"`
	Name  string
	Price float64
}

// TableName implements gorm's schema.Tabler.
func (orderRow) TableName() string { return "bench_orders" }

// sink is where the subscribers of the comparisons report what they handled.
type sink struct {
	counter
	// handle is called for each durable event before it is counted, when it is set. It is set before
	// anything is published.
	handle atomic.Pointer[func(ctx context.Context, id int64)]
}

func (s *sink) saw(ctx context.Context, id int64) {
	if fn := s.handle.Load(); fn != nil {
		(*fn)(ctx, id)
	}
	s.add()
}

func (s *sink) onHandle(fn func(ctx context.Context, id int64)) { s.handle.Store(&fn) }

// counter counts handled events and tells when a number of them was reached. One goroutine waits.
type counter struct {
	count  atomic.Int64
	target atomic.Int64
	mu     sync.Mutex
	wake   chan struct{}
}

func (c *counter) add() {
	if c.count.Add(1) == c.target.Load() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.wake != nil {
			close(c.wake)
			c.wake = nil
		}
	}
}

// expect starts a new count that ends at n.
func (c *counter) expect(n int) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.Store(0)
	c.target.Store(int64(n))
	c.wake = make(chan struct{})
	return c.wake
}

func (c *counter) wait(ctx context.Context, reached <-chan struct{}) error {
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d events, %d were handled: %w", c.target.Load(), c.count.Load(), ctx.Err())
	}
}

// publisherPlugin gives the comparisons the handles a plugin gets.
type publisherPlugin struct {
	db  *gorm.DB
	bus app.Bus
}

func newPublisherPlugin(db *gorm.DB, bus app.Bus) *publisherPlugin { return &publisherPlugin{db, bus} }

// OnBoot implements app.Booter.
func (p *publisherPlugin) OnBoot(b *app.Boot) {
	b.Publishes(placedVolatile{}, placedSerial{}, placedOn{}, placedOnTx{})
}

// subscriberPlugin subscribes to all topics.
type subscriberPlugin struct {
	db   *gorm.DB
	sink *sink
}

func newSubscriberPlugin(db *gorm.DB, s *sink) *subscriberPlugin { return &subscriberPlugin{db, s} }

// OnBoot implements app.Booter.
func (p *subscriberPlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.onVolatile), app.Volatile())
	b.Subscribe(app.On(p.onSerial), app.Volatile(), app.Concurrency(1))
	b.Subscribe(app.On(p.on), app.Timeout(10*time.Minute))
	b.Subscribe(app.OnTx(p.onTx))
}

func (p *subscriberPlugin) onVolatile(context.Context, seenVolatile) error {
	p.sink.add()
	return nil
}

func (p *subscriberPlugin) onSerial(context.Context, seenSerial) error {
	p.sink.add()
	return nil
}

func (p *subscriberPlugin) on(ctx context.Context, e seenOn) error {
	p.sink.saw(ctx, e.ID)
	return nil
}

func (p *subscriberPlugin) onTx(ctx context.Context, e seenOnTx) error {
	if err := p.db.WithContext(ctx).Exec("INSERT INTO bench_effects (order_id) VALUES (?)", e.ID).Error; err != nil {
		return fmt.Errorf("insert effect: %w", err)
	}
	p.sink.saw(ctx, e.ID)
	return nil
}

// eventApp is the service with the plugins of the comparisons alone, running in this process.
type eventApp struct {
	host *application.App
	db   *gorm.DB
	bus  app.Bus
	sink *sink
}

// startEvents starts the service on a database; cfg is changed by change when that is not nil.
func startEvents(ctx context.Context, url string, change func(*config.Config)) (*eventApp, error) {
	cfg := config.Default()
	cfg.Database.URL = url
	cfg.HTTP.Addr = "127.0.0.1:0"
	cfg.Log.Level = "error"
	if change != nil {
		change(&cfg)
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open migrations: %w", err)
	}
	s := &sink{}
	h, err := application.New(cfg, fx.Options(
		logging.Module, telemetry.Module, database.Module, workpool.Module, eventbus.Module, httpserver.Module,
		app.Domain("bench",
			app.Migrations(files),
			fx.Supply(s),
			app.Plugin[*publisherPlugin]("bench.publisher", newPublisherPlugin),
			app.Plugin[*subscriberPlugin]("bench.subscriber", newSubscriberPlugin),
		),
	))
	if err != nil {
		return nil, fmt.Errorf("put service together: %w", err)
	}
	if err := h.Start(ctx); err != nil {
		return nil, fmt.Errorf("start service: %w", err)
	}
	a := &eventApp{host: h, sink: s}
	for _, p := range h.Registrar().Plugins() {
		if publisher, ok := p.Instance.(*publisherPlugin); ok {
			a.db, a.bus = publisher.db, publisher.bus
		}
	}
	return a, nil
}

// startSQLiteEvents starts the service on a new SQLite file.
func startSQLiteEvents(ctx context.Context, b *bench, change func(*config.Config)) (*eventApp, error) {
	dir, err := b.folder("events")
	if err != nil {
		return nil, err
	}
	return startEvents(ctx, "sqlite:"+filepath.Join(dir, "events.db"), change)
}

func (a *eventApp) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := a.host.Stop(ctx); err != nil {
		return fmt.Errorf("stop service: %w", err)
	}
	return nil
}

// idle waits until nothing is pending or running on the bus.
func (a *eventApp) idle(ctx context.Context) error {
	if err := a.host.Bus().Idle(ctx); err != nil {
		return fmt.Errorf("wait for the bus: %w", err)
	}
	return nil
}

// spread runs fn n times on so many goroutines and returns when all are done.
func spread(goroutines, n int, fn func(i int) error) error {
	var next atomic.Int64
	errs := make([]error, goroutines)
	var done sync.WaitGroup
	for g := range goroutines {
		done.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := fn(i); err != nil {
					errs[g] = err
					return
				}
			}
		})
	}
	done.Wait()
	return errors.Join(errs...)
}
