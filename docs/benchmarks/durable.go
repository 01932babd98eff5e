package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/docs/benchmarks/measure"
	"plugboard/infra/database"
)

// writers is how many goroutines commit transactions at a time.
const writers = 16

// durableRace is the comparison of durable events on one database.
type durableRace struct {
	name string
	plan measure.Plan
	ours *eventApp
	// insertOrder stores an order by hand.
	insertOrder string
	// river is the peer of the same kind.
	river measure.Side
	// overRiver is the least our rate may be, as a multiple of River's.
	overRiver float64
	// ofAlone is the least that On may be of the order alone; 0 holds it to nothing.
	ofAlone float64
	// onTxOfBare is the least that OnTx may be of the bare outbox insert.
	onTxOfBare float64
	// byHand has orders stored in SQL, as River's side does, instead of through GORM.
	byHand bool
	quick  bool
}

// compareDurableSQLite measures durable events on SQLite.
func compareDurableSQLite(ctx context.Context, b *bench) (measure.Section, error) {
	section := measure.Section{Title: "Durable events on SQLite", Config: durableConfig(
		"SQLite file, WAL, synchronous=FULL, one writer connection for each contestant; ours is read back.",
		riverSQLiteConfig)}
	ours, err := startSQLiteEvents(ctx, b, nil)
	if err != nil {
		return section, err
	}
	if err := requireDurable(ctx, ours.db); err != nil {
		return section, errors.Join(err, ours.stop())
	}
	river, stopRiver, err := riverSQLite(ctx, b)
	if err != nil {
		return section, errors.Join(err, ours.stop())
	}
	race := durableRace{
		name: "SQLite", ours: ours, insertOrder: "INSERT INTO bench_orders (name, price) VALUES (?, ?) RETURNING id", river: river, quick: b.quick,
		plan:      b.plan(measure.Plan{Rounds: 9, Ops: 1500, Warmup: 500}),
		overRiver: 3, onTxOfBare: 0.55,
	}
	section.Findings, err = race.run(ctx)
	return section, errors.Join(err, stopRiver(), ours.stop())
}

// compareDurablePostgres measures durable events on Postgres.
func compareDurablePostgres(ctx context.Context, b *bench) (measure.Section, error) {
	section := measure.Section{Title: "Durable events on Postgres"}
	err := b.onPostgres(ctx, &section, "there is no Postgres: ", func(pg *postgres) ([]measure.Finding, error) {
		section.Config = durableConfig(pg.describe, riverPostgresConfig)
		return racePostgres(ctx, b, pg)
	})
	return section, err
}

func racePostgres(ctx context.Context, b *bench, pg *postgres) ([]measure.Finding, error) {
	url, err := pg.schema(ctx, "ours")
	if err != nil {
		return nil, err
	}
	ours, err := startEvents(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	river, stopRiver, err := riverPostgres(ctx, pg)
	if err != nil {
		return nil, errors.Join(err, ours.stop())
	}
	race := durableRace{
		name: "Postgres", ours: ours, insertOrder: "INSERT INTO bench_orders (name, price) VALUES ($1, $2) RETURNING id", river: river, quick: b.quick,
		plan:      b.plan(measure.Plan{Rounds: 9, Ops: 3000, Warmup: 500}),
		overRiver: 1.5, ofAlone: 0.5, onTxOfBare: 0.6,
	}
	findings, err := race.run(ctx)
	return findings, errors.Join(err, stopRiver(), ours.stop())
}

// requireDurable reads our writer's pragmas back and refuses a database that does not sync its commits.
func requireDurable(ctx context.Context, db *gorm.DB) error {
	return app.InTx(ctx, db, func(ctx context.Context) error {
		var journal string
		var synchronous int
		if err := db.WithContext(ctx).Raw("PRAGMA journal_mode").Scan(&journal).Error; err != nil {
			return fmt.Errorf("read journal mode: %w", err)
		}
		if err := db.WithContext(ctx).Raw("PRAGMA synchronous").Scan(&synchronous).Error; err != nil {
			return fmt.Errorf("read synchronous: %w", err)
		}
		const full = 2
		if journal != "wal" || synchronous != full {
			return fmt.Errorf("look at SQLite: journal mode %s and synchronous %d; want wal and %d (FULL)", journal, synchronous, full)
		}
		return nil
	})
}

func durableConfig(lines ...string) []string {
	return append(lines,
		fmt.Sprintf("%d goroutines commit transactions of one order row and one event or job; time until the last was worked and its delivery completed; in turn.", writers),
		"Against River our side stores its order as River's does: the same `INSERT … RETURNING` by hand in SQL instead of GORM. *The order alone* is that transaction without any event: no outbox can be faster.",
		"*Bare*: the same `app.InTx` and the same insert through GORM, and instead of the event one hand-written `INSERT` into an outbox table (UUIDv7, topic, JSON); nothing is delivered.",
		"*On* counts; *OnTx* inserts a row in the delivery's transaction. Defaults: 4 at a time for each subscription.",
		"*Growth*: the slope of published − handled in a steady run of OnTx, as a part of the rate of publishing.",
		"*Commit to start*: from the return of COMMIT (an AfterCommit function) to the handler's first line, at half of the measured rate of On, evenly spaced over the writers.",
	)
}

func (r durableRace) run(ctx context.Context) ([]measure.Finding, error) {
	byHand := r
	byHand.byHand = true
	all, err := measure.Interleave(ctx, r.plan,
		measure.Side{Name: "bare outbox insert", Run: r.bare},
		measure.Side{Name: "On", Run: func(ctx context.Context, n int) (time.Duration, error) { return r.publish(ctx, n, onEvent) }},
		measure.Side{Name: "OnTx", Run: func(ctx context.Context, n int) (time.Duration, error) { return r.publish(ctx, n, onTxEvent) }},
		r.river,
		measure.Side{Name: "On, order by hand", Run: func(ctx context.Context, n int) (time.Duration, error) { return byHand.publish(ctx, n, onEvent) }},
		measure.Side{Name: "order alone", Run: byHand.alone})
	if err != nil {
		return nil, err
	}
	growth, err := r.growth(ctx)
	if err != nil {
		return nil, err
	}
	half := all[1].PerSecond().Median() / 2
	p50, p99, err := r.latencies(ctx, half)
	if err != nil {
		return nil, err
	}
	var ofAlone measure.Limit
	if r.ofAlone > 0 {
		ofAlone = measure.AtLeast(r.ofAlone)
	}
	name := func(s string) string { return "durable events, " + r.name + ": " + s }
	return []measure.Finding{
		rateFinding(name("On / bare outbox insert"), all[1], all[0], measure.AtLeast(0.8)),
		rateFinding(name("OnTx / bare outbox insert"), all[2], all[0], measure.AtLeast(r.onTxOfBare)),
		{Name: name("OnTx, growth of the backlog"), Value: growth, Limit: measure.AtMost(0.05)},
		rateFinding(name("On / River"), all[4], all[3], measure.AtLeast(r.overRiver)),
		rateFinding(name("On / the order alone"), all[4], all[5], ofAlone),
		rateFinding(name("the order alone / River"), all[5], all[3], measure.Limit{}),
		{Name: name("commit to start, p50, at " + measure.Rate(half)), Value: p50, Figure: measure.Nanoseconds, Limit: measure.AtMost(0.2e6)},
		{Name: name("commit to start, p99, at " + measure.Rate(half)), Value: p99, Figure: measure.Nanoseconds, Limit: measure.AtMost(2e6)},
	}, nil
}

// bare commits the same transactions with an outbox insert by hand.
func (r durableRace) bare(ctx context.Context, n int) (time.Duration, error) {
	start := time.Now()
	err := spread(writers, n, func(i int) error {
		return app.InTx(ctx, r.ours.db, func(ctx context.Context) error {
			row, err := r.store(ctx, i)
			if err != nil {
				return err
			}
			payload, err := json.Marshal(placedOn{ID: row.ID, Name: row.Name, Price: row.Price})
			if err != nil {
				return fmt.Errorf("encode event: %w", err)
			}
			return r.ours.db.WithContext(ctx).Exec("INSERT INTO bench_outbox (id, topic, payload, created_at) VALUES (?, ?, ?, ?)",
				uuid.Must(uuid.NewV7()).String(), onTopic, string(payload), time.Now().UTC()).Error
		})
	})
	return time.Since(start), err
}

func (r durableRace) store(ctx context.Context, i int) (orderRow, error) {
	row := orderRow{Name: fmt.Sprint("Desk lamp ", i), Price: 49.9}
	if r.byHand {
		return r.storeByHand(ctx, row)
	}
	if err := r.ours.db.WithContext(ctx).Create(&row).Error; err != nil {
		return row, fmt.Errorf("insert order: %w", err)
	}
	return row, nil
}

func (r durableRace) storeByHand(ctx context.Context, row orderRow) (orderRow, error) {
	tx, ok := database.TxFrom(ctx)
	if !ok {
		return row, errors.New("insert order: not in a transaction")
	}
	err := tx.QueryRowContext(ctx, r.insertOrder, row.Name, row.Price).Scan(&row.ID)
	if err != nil {
		return row, fmt.Errorf("insert order: %w", err)
	}
	return row, nil
}

// alone commits n transactions that store an order and publish nothing.
func (r durableRace) alone(ctx context.Context, n int) (time.Duration, error) {
	start := time.Now()
	err := spread(writers, n, func(i int) error {
		return app.InTx(ctx, r.ours.db, func(ctx context.Context) error {
			_, err := r.store(ctx, i)
			return err
		})
	})
	return time.Since(start), err
}

func onEvent(row orderRow) app.Event {
	return placedOn{ID: row.ID, Name: row.Name, Price: row.Price}
}

func onTxEvent(row orderRow) app.Event {
	return placedOnTx{ID: row.ID, Name: row.Name, Price: row.Price}
}

// publish commits n transactions with one event each and waits until all are worked.
func (r durableRace) publish(ctx context.Context, n int, event func(orderRow) app.Event) (time.Duration, error) {
	reached := r.ours.sink.expect(n)
	start := time.Now()
	err := spread(writers, n, func(i int) error { return r.commit(ctx, i, event, nil) })
	if err != nil {
		return 0, err
	}
	if err := r.ours.sink.wait(ctx, reached); err != nil {
		return 0, err
	}
	if err := r.ours.idle(ctx); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

// commit commits one transaction with one event. committed is called with the order's id right after COMMIT.
func (r durableRace) commit(ctx context.Context, i int, event func(orderRow) app.Event, committed func(id int64)) error {
	return app.InTx(ctx, r.ours.db, func(ctx context.Context) error {
		row, err := r.store(ctx, i)
		if err != nil {
			return err
		}
		if tx, ok := database.TxFrom(ctx); ok && committed != nil {
			tx.Attach(nil, database.Participant{AfterCommit: func() { committed(row.ID) }})
		}
		return r.ours.bus.Publish(ctx, event(row))
	})
}

// growth publishes OnTx events without a pause and returns how fast the backlog grew, as a part of the rate
// of publishing.
func (r durableRace) growth(ctx context.Context) (measure.Series, error) {
	n := r.plan.Ops * 4
	reached := r.ours.sink.expect(n)
	var published atomic.Int64
	stop := make(chan struct{})
	sampled := make(chan []sample, 1)
	go func() { sampled <- sampleBacklog(stop, &published, &r.ours.sink.count) }()
	err := spread(writers, n, func(i int) error {
		defer published.Add(1)
		return r.commit(ctx, i, onTxEvent, nil)
	})
	close(stop)
	samples := <-sampled
	if err != nil {
		return nil, err
	}
	if err := r.ours.sink.wait(ctx, reached); err != nil {
		return nil, err
	}
	return measure.Series{slope(samples)}, r.ours.idle(ctx)
}

// sample is one look at a run: how much was published, and how much of that was not handled.
type sample struct{ published, backlog float64 }

func sampleBacklog(stop <-chan struct{}, published, handled *atomic.Int64) []sample {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var samples []sample
	for {
		select {
		case <-stop:
			return samples
		case <-tick.C:
			h, p := float64(handled.Load()), float64(published.Load())
			samples = append(samples, sample{published: p, backlog: p - h})
		}
	}
}

// slope is the least squares slope of the backlog over what was published; 0 for fewer than two samples.
func slope(samples []sample) float64 {
	var n, sx, sy, sxx, sxy float64
	for _, s := range samples {
		n++
		sx += s.published
		sy += s.backlog
		sxx += s.published * s.published
		sxy += s.published * s.backlog
	}
	if d := n*sxx - sx*sx; d != 0 {
		return (n*sxy - sx*sy) / d
	}
	return 0
}

// latencies publishes at a fixed rate, a few seconds a round, and returns the median and the 99th percentile
// of the time from commit to the handler's start, round by round, in nanoseconds.
func (r durableRace) latencies(ctx context.Context, rate float64) (p50, p99 measure.Series, err error) {
	rounds, seconds := 5, 3.0
	if r.quick {
		rounds, seconds = 1, 0.2
	}
	for range rounds {
		took, err := r.paced(ctx, rate, int(rate*seconds))
		if err != nil {
			return nil, nil, err
		}
		p50 = append(p50, took.Quantile(0.50))
		p99 = append(p99, took.Quantile(0.99))
	}
	return p50, p99, nil
}

// paced publishes n events at a rate and returns each one's time from commit to start.
func (r durableRace) paced(ctx context.Context, rate float64, n int) (measure.Series, error) {
	n = max(n, writers)
	watch := newStopwatch(n)
	r.ours.sink.onHandle(func(_ context.Context, id int64) { watch.started(id) })
	reached := r.ours.sink.expect(n)
	start := time.Now()
	err := spread(writers, n, func(i int) error {
		time.Sleep(time.Until(start.Add(time.Duration(float64(i) / rate * 1e9))))
		return r.commit(ctx, i, onEvent, watch.committed)
	})
	if err == nil {
		err = r.ours.sink.wait(ctx, reached)
	}
	r.ours.sink.onHandle(func(context.Context, int64) {})
	if err != nil {
		return nil, err
	}
	if err := r.ours.idle(ctx); err != nil {
		return nil, err
	}
	return watch.times()
}

// stopwatch measures from commit to start. Order ids index it, modulo its size, which is that of the run.
type stopwatch struct {
	zero           time.Time
	commits, begun []atomic.Int64
}

func newStopwatch(n int) *stopwatch {
	return &stopwatch{zero: time.Now(), commits: make([]atomic.Int64, n), begun: make([]atomic.Int64, n)}
}

func (w *stopwatch) committed(id int64) {
	w.commits[id%int64(len(w.commits))].Store(int64(time.Since(w.zero)))
}

func (w *stopwatch) started(id int64) {
	w.begun[id%int64(len(w.begun))].Store(int64(time.Since(w.zero)))
}

func (w *stopwatch) times() (measure.Series, error) {
	var out measure.Series
	for i := range w.commits {
		c, b := w.commits[i].Load(), w.begun[i].Load()
		if c == 0 || b == 0 {
			continue // ids have gaps where a transaction was tried again
		}
		out = append(out, float64(b-c))
	}
	if len(out) < len(w.commits)/2 {
		return nil, fmt.Errorf("measure latency: only %d of %d events were timed", len(out), len(w.commits))
	}
	slices.Sort(out)
	return out, nil
}
