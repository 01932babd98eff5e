package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/fx"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest/pgrelay"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/host/application"
	"plugboard/infra/httpserver"
	"plugboard/infra/logging"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

// grown is the event of this comparison, ordered by its group.
type grown struct {
	ID    int64  `json:"id"`
	Group string `json:"group"`
}

// Topic implements app.Event.
func (grown) Topic() string { return "bench.grown" }

// Key implements app.Keyed.
func (e grown) Key() string { return e.Group }

// grownPlugin publishes it, and subscribes to it n times.
type grownPlugin struct {
	n    int
	db   *gorm.DB
	bus  app.Bus
	sink *counter
}

// OnBoot implements app.Booter.
func (p *grownPlugin) OnBoot(b *app.Boot) {
	b.Publishes(grown{})
	for i := range p.n {
		handle := func(context.Context, grown) error { return nil }
		if i == 0 {
			handle = func(context.Context, grown) error { p.sink.add(); return nil }
		}
		b.Subscribe(app.On(handle), app.Named(fmt.Sprintf("grown%03d", i)))
	}
}

// replica is a running service with such a plugin.
type replica struct {
	*grownPlugin
	host  *application.App
	relay *pgrelay.Relay
}

// startReplica starts a service with some subscriptions. On Postgres it counts the service's round trips.
func startReplica(ctx context.Context, at string, subscriptions int, change func(*config.Config)) (*replica, error) {
	r := &replica{}
	if !strings.HasPrefix(at, "sqlite:") {
		relay, through, err := pgrelay.Through(at)
		if err != nil {
			return nil, fmt.Errorf("start relay: %w", err)
		}
		r.relay, at = relay, through
	}
	cfg := config.Default()
	cfg.Database.URL, cfg.HTTP.Addr, cfg.Log.Level = at, "127.0.0.1:0", "error"
	cfg.Database.MaxConns = 4
	if change != nil {
		change(&cfg)
	}
	h, err := application.New(cfg, fx.Options(
		logging.Module, telemetry.Module, database.Module, workpool.Module, eventbus.Module, httpserver.Module,
		app.Domain("bench", app.Plugin[*grownPlugin]("bench.grown", func(db *gorm.DB, bus app.Bus) *grownPlugin {
			r.grownPlugin = &grownPlugin{n: subscriptions, db: db, bus: bus, sink: &counter{}}
			return r.grownPlugin
		})),
	))
	if err != nil {
		return nil, fmt.Errorf("put service together: %w", err)
	}
	if err := h.Start(ctx); err != nil {
		return nil, fmt.Errorf("start service: %w", err)
	}
	r.host = h
	return r, nil
}

func (r *replica) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := r.host.Stop(ctx)
	if r.relay != nil {
		r.relay.Close()
	}
	if err != nil {
		return fmt.Errorf("stop service: %w", err)
	}
	return nil
}

// trips measures how long one event takes, in microseconds, with r and with a service whose database is empty: in turn, so that
// both find the machine and its disk in the same state. Of sixty rounds it returns the sixth quickest. What else the machine does
// makes many of them several times slower, and the quickest one is a lucky one.
func (g *growth) trips(ctx context.Context, r *replica) (ours, empty float64, err error) {
	at, schema := g.at, g.schema
	defer func() { g.at, g.schema = at, schema }()
	if err := g.fresh(ctx); err != nil {
		return 0, 0, err
	}
	other, err := startReplica(ctx, g.at, 10, nil)
	if err != nil {
		return 0, 0, err
	}
	rounds := g.b.count(60, 2)
	took := [2][]float64{}
	for i := 0; i < rounds && err == nil; i++ {
		for j, service := range []*replica{r, other} {
			one, tripErr := service.trip(ctx)
			took[j], err = append(took[j], one), errors.Join(err, tripErr)
		}
	}
	for _, t := range took {
		slices.Sort(t)
	}
	if err = errors.Join(err, other.stop()); err != nil {
		return 0, 0, err
	}
	return took[0][rounds/10], took[1][rounds/10], nil
}

// trip returns how long one event takes on average, in microseconds.
func (r *replica) trip(ctx context.Context) (float64, error) {
	const events = 100
	start := time.Now()
	for i := range events {
		reached := r.sink.expect(1)
		if err := r.bus.Publish(ctx, grown{ID: int64(i), Group: "another"}); err != nil {
			return 0, fmt.Errorf("publish: %w", err)
		}
		if err := r.sink.wait(ctx, reached); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(start).Microseconds()) / events, nil
}
