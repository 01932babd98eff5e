package eventbus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/eventbus/admin"
)

// OrderPlaced is what the shop announces.
type OrderPlaced struct {
	ID       int64    `json:"id"`
	Customer string   `json:"customer"`
	Items    []string `json:"items"`
}

// Topic implements app.Event.
func (OrderPlaced) Topic() string { return "order.placed" }

// Key implements app.Keyed: the orders of one customer are handled in order.
func (e OrderPlaced) Key() string { return e.Customer }

// PlacedOrder is how another domain reads it: its own struct with the same topic and just the fields it needs.
type PlacedOrder struct {
	ID       int64  `json:"id"`
	Customer string `json:"customer"`
}

// Topic implements app.Event.
func (PlacedOrder) Topic() string { return "order.placed" }

// LostOrder is what a subscriber reads of the announcement that a delivery of order.placed is dead.
type LostOrder struct {
	Subscription string `json:"subscription"`
	Error        string `json:"error"`
	Attempts     int    `json:"attempts"`
}

// Topic implements app.Event.
func (LostOrder) Topic() string { return "_dlq.order.placed" }

// shop is a running application for the examples: the first plugin publishes, the others do what they register.
type shop struct {
	db     *database.DB
	events *eventbus.Bus
	bus    app.Bus // the first plugin's
	folder string
}

func open(plugins ...func(b *app.Boot)) *shop {
	folder, err := os.MkdirTemp("", "plugboard")
	must(err)
	s := &shop{folder: folder}
	cfg := config.Default()
	cfg.Database.URL = "sqlite:" + filepath.Join(folder, "shop.db")
	cfg.Events.Poll = 10 * time.Millisecond
	s.db, err = database.New(cfg.Database, zap.NewNop())
	must(err)
	s.events, err = eventbus.New(cfg.Events, s.db, zap.NewNop(), nil)
	must(err)
	registrar := app.NewRegistrar(s.events.For, zap.NewNop())
	graph := []fx.Option{fx.NopLogger, fx.Supply(registrar)}
	for i, onBoot := range plugins {
		graph = append(graph, app.Plugin[*plugin](fmt.Sprintf("shop.plugin_%d", i), func() *plugin { return &plugin{onBoot} }))
	}
	must(fx.New(graph...).Err())
	must(errors.Join(s.events.Check(registrar.Plugins())...))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	must(s.db.Open(ctx))
	must(s.db.Migrate(ctx, []database.MigrationSet{s.events.Migrations()}))
	must(s.events.Start(ctx))
	s.bus = s.events.For("shop.plugin_0")
	return s
}

// settle waits until every event has been handled.
func (s *shop) settle(ctx context.Context) { must(s.events.Idle(ctx)) }

func (s *shop) close() {
	ctx := context.Background()
	must(errors.Join(s.events.Stop(ctx), s.db.Close(ctx), os.RemoveAll(s.folder)))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// request is the context of a request.
func request() (context.Context, context.CancelFunc) {
	return context.WithCancel(app.WithCall(context.Background(), &app.Call{Plugin: "shop.plugin_0", RequestID: "order-7"}))
}

// An event belongs to the transaction it is published in: it exists if and only if that commits.
func Example_publish() {
	s := open(
		func(b *app.Boot) { b.Publishes(OrderPlaced{}) },
		func(b *app.Boot) {
			b.Subscribe(app.On(func(_ context.Context, e PlacedOrder) error {
				fmt.Println("heard of order", e.ID)
				return nil
			}))
		},
	)
	defer s.close()
	ctx, cancel := request()
	defer cancel()

	first := app.InTx(ctx, s.db.Gorm(), func(ctx context.Context) error {
		if err := s.bus.Publish(ctx, OrderPlaced{ID: 1, Customer: "ann"}); err != nil {
			return err
		}
		return errors.New("out of stock")
	})
	second := app.InTx(ctx, s.db.Gorm(), func(ctx context.Context) error {
		return s.bus.Publish(ctx, OrderPlaced{ID: 2, Customer: "ann"})
	})
	s.settle(ctx)
	fmt.Println("order 1:", first)
	fmt.Println("order 2:", second)
	// Output:
	// heard of order 2
	// order 1: out of stock
	// order 2: <nil>
}

// A subscriber reads the event with a struct of its own. Events of one key arrive in the order of their commits, and
// the handler learns where each comes from.
func Example_subscribe() {
	s := open(
		func(b *app.Boot) { b.Publishes(OrderPlaced{}) },
		func(b *app.Boot) {
			b.Subscribe(app.On(func(ctx context.Context, e PlacedOrder) error {
				d, _ := app.DeliveryFrom(ctx)
				fmt.Printf("order %d of %s: key %s, request %s, from %s\n", e.ID, e.Customer, d.Key, d.RequestID, d.Emitter)
				return nil
			}), app.Named("mail"), app.Concurrency(8), app.Timeout(5*time.Second))
		},
	)
	defer s.close()
	ctx, cancel := request()
	defer cancel()

	for id := range int64(3) {
		must(s.bus.Publish(ctx, OrderPlaced{ID: id + 1, Customer: "ann"}))
	}
	s.settle(ctx)
	// Output:
	// order 1 of ann: key ann, request order-7, from shop.plugin_0
	// order 2 of ann: key ann, request order-7, from shop.plugin_0
	// order 3 of ann: key ann, request order-7, from shop.plugin_0
}

// A handler that fails is called again with the same event, after a wait that doubles from failure to failure.
func Example_retry() {
	s := open(
		func(b *app.Boot) { b.Publishes(OrderPlaced{}) },
		func(b *app.Boot) {
			b.Subscribe(app.On(func(ctx context.Context, e PlacedOrder) error {
				d, _ := app.DeliveryFrom(ctx)
				fmt.Printf("order %d, attempt %d\n", e.ID, d.Attempt)
				if d.Attempt < 3 {
					return errors.New("the mail server does not answer")
				}
				return nil
			}), app.Attempts(5), app.Backoff(time.Millisecond, time.Second))
		},
	)
	defer s.close()
	ctx, cancel := request()
	defer cancel()

	must(s.bus.Publish(ctx, OrderPlaced{ID: 1}))
	s.settle(ctx)
	// Output:
	// order 1, attempt 1
	// order 1, attempt 2
	// order 1, attempt 3
}

// What fails too often, or with app.Permanent, is dead: it is kept, and announced under "_dlq." and the topic.
func Example_deadLetter() {
	s := open(
		func(b *app.Boot) { b.Publishes(OrderPlaced{}) },
		func(b *app.Boot) {
			b.Subscribe(app.On(func(context.Context, PlacedOrder) error {
				return app.Permanent(errors.New("no such customer"))
			}), app.Named("mail"))
		},
		func(b *app.Boot) {
			b.Subscribe(app.On(func(_ context.Context, e LostOrder) error {
				fmt.Printf("%s gave up after %d: %s\n", e.Subscription, e.Attempts, e.Error)
				return nil
			}))
		},
	)
	defer s.close()
	ctx, cancel := request()
	defer cancel()

	must(s.bus.Publish(ctx, OrderPlaced{ID: 1}))
	s.settle(ctx)
	// Output:
	// mail gave up after 1: no such customer
}

// An operator replays dead deliveries once the cause is mended, here by the Go API behind "plugboard events replay". The
// event has the same id, so that a handler can tell that it has seen it.
func Example_replay() {
	mended := false
	var first string
	s := open(
		func(b *app.Boot) { b.Publishes(OrderPlaced{}) },
		func(b *app.Boot) {
			b.Subscribe(app.On(func(ctx context.Context, e PlacedOrder) error {
				d, _ := app.DeliveryFrom(ctx)
				if !mended {
					first = d.EventID
					return app.Permanent(errors.New("no such template"))
				}
				fmt.Printf("order %d, attempt %d, the same event: %t\n", e.ID, d.Attempt, d.EventID == first)
				return nil
			}), app.Named("mail"))
		},
	)
	defer s.close()
	ctx, cancel := request()
	defer cancel()

	must(s.bus.Publish(ctx, OrderPlaced{ID: 1}))
	s.settle(ctx)
	mended = true
	n, err := s.events.Admin("ann@desk").Replay(ctx, admin.Filter{Subscription: "mail"})
	s.settle(ctx)
	fmt.Println("replayed", n, err)
	// Output:
	// order 1, attempt 1, the same event: true
	// replayed 1 <nil>
}

// PriceOf is the asker's query.
type PriceOf struct {
	Product int64 `json:"product"`
}

// Topic implements app.Event.
func (PriceOf) Topic() string { return "price.query" }

// PriceQuery is how the plugin that answers reads it.
type PriceQuery struct {
	Product int64 `json:"product"`
}

// Topic implements app.Event.
func (PriceQuery) Topic() string { return "price.query" }

// Price is the answer.
type Price struct {
	Cents int64 `json:"cents"`
}

// A plugin asks another domain, and waits for the answer.
func Example_ask() {
	s := open(
		func(*app.Boot) {},
		func(b *app.Boot) {
			b.Answer(app.Reply(func(_ context.Context, q PriceQuery) (Price, error) {
				if q.Product != 7 {
					return Price{}, app.Errorf(app.NotFound, "product %d has no price", q.Product)
				}
				return Price{Cents: 4990}, nil
			}))
		},
	)
	defer s.close()
	ctx, cancel := request()
	defer cancel()

	price, err := app.Ask[Price](ctx, s.bus, PriceOf{Product: 7})
	fmt.Println(price.Cents, err)
	_, err = app.Ask[Price](ctx, s.bus, PriceOf{Product: 8})
	fmt.Println(app.CodeOf(err), err)
	// Output:
	// 4990 <nil>
	// not_found ask price.query: product 8 has no price
}
