package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"syscall"
	"time"

	"plugboard/app"
	"plugboard/config"
	"plugboard/docs/benchmarks/measure"
)

// idling is what a service that has nothing to do costs each second.
type idling struct {
	// statements are round trips to Postgres, rows what it reads for them, busy the milliseconds it takes; processor the
	// milliseconds of this process.
	statements, rows, busy, processor float64
}

// idles measures what is used while nothing happens.
func (g *growth) idles(ctx context.Context, r *replica) (idling, error) {
	before, err := g.used(ctx, r)
	if err != nil {
		return idling{}, err
	}
	start := time.Now()
	if !rest(ctx, g.window) {
		return idling{}, ctx.Err()
	}
	after, err := g.used(ctx, r)
	seconds := time.Since(start).Seconds()
	return idling{
		(after.statements - before.statements) / seconds, (after.rows - before.rows) / seconds,
		(after.busy - before.busy) / seconds, (after.processor - before.processor) / seconds,
	}, err
}

// rest waits for d. It reports false when ctx ends.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// used reads what has been used so far.
func (g *growth) used(ctx context.Context, r *replica) (u idling, err error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return u, fmt.Errorf("read processor time: %w", err)
	}
	u.processor = float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
	if g.pg == nil {
		return u, nil
	}
	u.statements = float64(r.relay.Sent.Load())
	err = g.pg.conn.QueryRow(ctx, `SELECT
		(SELECT COALESCE(SUM(seq_tup_read), 0)::float8 FROM pg_stat_user_tables WHERE schemaname = $1) +
		(SELECT COALESCE(SUM(idx_tup_read), 0)::float8 FROM pg_stat_user_indexes WHERE schemaname = $1),
		(SELECT active_time FROM pg_stat_database WHERE datname = current_database())`, g.schema).Scan(&u.rows, &u.busy)
	if err != nil {
		return u, fmt.Errorf("read statistics: %w", err)
	}
	return u, nil
}

// growth is the comparison on one database.
type growth struct {
	b  *bench
	pg *postgres
	// at is the URL of the current database, schema its schema on Postgres.
	at, schema string
	// window is how long idling is measured, waiting how many deliveries wait meanwhile.
	window        time.Duration
	waiting, made int // made counts the databases
}

func newGrowth(b *bench, pg *postgres) *growth {
	g := &growth{b: b, pg: pg, window: 15 * time.Second, waiting: b.count(100_000, 1000)}
	if b.quick {
		g.window = 1500 * time.Millisecond
	}
	return g
}

func (g *growth) name(s string) string {
	if g.pg == nil {
		return "growth, SQLite: " + s
	}
	return "growth, Postgres: " + s
}

// fresh makes an empty database the current one.
func (g *growth) fresh(ctx context.Context) error {
	g.made++
	if g.pg == nil {
		dir, err := g.b.folder("growth")
		g.at = "sqlite:" + filepath.Join(dir, "events.db")
		return err
	}
	at, err := g.pg.schema(ctx, fmt.Sprintf("growth%d", g.made))
	if err != nil {
		return err
	}
	u, err := url.Parse(at)
	if err != nil {
		return fmt.Errorf("read URL: %w", err)
	}
	g.at, g.schema = at, u.Query().Get("search_path")
	return nil
}

// compareGrowth measures what idling costs, and what it grows with.
func compareGrowth(ctx context.Context, b *bench) (measure.Section, error) {
	section := measure.Section{Title: "What an idle service costs, and what that grows with", Config: []string{
		"All settings at their defaults (poll 1s); statements are round trips of one replica, counted by a relay; rows are those that Postgres says it read in tables and indexes, and the time its `active_time`.",
		"Waiting: 100,000 ordered deliveries of 10,000 keys. In backoff: the first of each key is due in an hour, the nine behind it now. Dead: all of them.",
		"Another key: the time from before the publish to the handler, one event at a time, in turn with a service whose database is empty; the sixth quickest of sixty rounds of 100 events.",
	}}
	g := newGrowth(b, nil)
	findings, err := g.run(ctx)
	section.Findings = findings
	if err != nil {
		return section, err
	}
	err = b.onPostgres(ctx, &section, "on Postgres: there is none: ", func(pg *postgres) ([]measure.Finding, error) { return newGrowth(b, pg).run(ctx) })
	return section, err
}

func (g *growth) run(ctx context.Context) ([]measure.Finding, error) {
	var all []measure.Finding
	for _, part := range []func(context.Context) ([]measure.Finding, error){g.subscriptions, g.waits, g.keys} {
		found, err := part(ctx)
		if err != nil {
			return all, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// with measures the first of some replicas.
func (g *growth) with(ctx context.Context, subscriptions, replicas int) (u idling, err error) {
	if err := g.fresh(ctx); err != nil {
		return u, err
	}
	var all []*replica
	for range replicas {
		r, err := startReplica(ctx, g.at, subscriptions, nil)
		if err != nil {
			return u, errors.Join(err, stopAll(all))
		}
		all = append(all, r)
	}
	if rest(ctx, 2*time.Second) {
		u, err = g.idles(ctx, all[0])
	}
	return u, errors.Join(err, stopAll(all))
}

func stopAll(all []*replica) error {
	var errs []error
	for _, r := range all {
		errs = append(errs, r.stop())
	}
	return errors.Join(errs...)
}

// subscriptions measures what subscriptions and replicas add.
func (g *growth) subscriptions(ctx context.Context) ([]measure.Finding, error) {
	few, err := g.with(ctx, 10, 1)
	if err != nil {
		return nil, err
	}
	many, err := g.with(ctx, 500, 1)
	if err != nil {
		return nil, err
	}
	if g.pg == nil {
		return []measure.Finding{g.more("processor time a second, 500 subscriptions over 10", many.processor, few.processor, 5)}, nil
	}
	crowd, err := g.with(ctx, 10, 16)
	if err != nil {
		return nil, err
	}
	return []measure.Finding{
		g.times("statements a second, 500 subscriptions / 10", many.statements, few.statements, 1.5),
		{Name: g.name("statements a second, 500 subscriptions"), Value: measure.Series{many.statements}, Limit: measure.AtMost(20)},
		g.times("statements a second of each, 16 replicas / 1", crowd.statements, few.statements, 1.5),
	}, nil
}

// times is a finding of a ratio. Two more than the peer are always allowed.
func (g *growth) times(name string, ours, peer, most float64) measure.Finding {
	ratio := ours / peer
	if ours <= peer+2 {
		ratio = min(ratio, most)
	}
	return measure.Finding{
		Name: g.name(name), Ours: measure.Count(ours), Peer: measure.Count(peer),
		Value: measure.Series{ratio}, Limit: measure.AtMost(most),
	}
}

// more is a finding of a difference in milliseconds.
func (g *growth) more(name string, ours, peer, most float64) measure.Finding {
	return measure.Finding{
		Name: g.name(name), Ours: measure.Nanoseconds(ours * 1e6), Peer: measure.Nanoseconds(peer * 1e6),
		Value: measure.Series{max(0, ours-peer) * 1e6}, Figure: measure.Nanoseconds, Limit: measure.AtMost(most * 1e6),
	}
}

// waits measures what waiting deliveries add.
func (g *growth) waits(ctx context.Context) ([]measure.Finding, error) {
	if err := g.fresh(ctx); err != nil {
		return nil, err
	}
	r, err := startReplica(ctx, g.at, 10, nil)
	if err != nil {
		return nil, err
	}
	if !g.b.quick { // for that long after its start it looks for what others left
		rest(ctx, config.Default().Events.Lease)
	}
	findings, err := g.waitsOf(ctx, r)
	return findings, errors.Join(err, r.stop())
}

func (g *growth) waitsOf(ctx context.Context, r *replica) (all []measure.Finding, err error) {
	empty, err := g.settled(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{"in backoff", "dead"} {
		if err := g.fill(ctx, r, kind); err != nil {
			return nil, err
		}
		u, err := g.settled(ctx, r)
		if err != nil {
			return nil, err
		}
		trip, emptyTrip, err := g.trips(ctx, r)
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf(", %d %s / none", g.waiting, kind)
		all = append(all, g.times("publish and deliver of another key"+what, trip, emptyTrip, 1.2))
		if g.pg == nil {
			all = append(all, g.more("processor time a second"+what, u.processor, empty.processor, 5))
			continue
		}
		all = append(all,
			g.times("statements a second"+what, u.statements, empty.statements, 1.5),
			g.times("rows read a second"+what, u.rows, empty.rows, 1.5),
			g.more("statement time a second"+what, u.busy, empty.busy, 5))
	}
	return all, nil
}

// settled waits until the service has seen what there is, and measures how it idles.
func (g *growth) settled(ctx context.Context, r *replica) (u idling, err error) {
	if err := r.seen(ctx); err != nil {
		return u, err
	}
	if g.pg != nil && !g.b.quick { // a session of Postgres reports what it has read after ten idle seconds
		rest(ctx, 11*time.Second)
	}
	return g.idles(ctx, r)
}

// seen waits until the service has looked at all that is due and cannot be handled.
func (r *replica) seen(ctx context.Context) error {
	for rest(ctx, 2*time.Second) {
		var due int64
		err := r.db.WithContext(ctx).Raw(`SELECT COUNT(*) FROM bus_deliveries WHERE state = 'pending' AND key <> '' AND behind = 0 AND due_at < ?`,
			time.Now().UnixMilli()).Scan(&due).Error
		if err != nil {
			return fmt.Errorf("count what is due: %w", err)
		}
		if due == 0 {
			return nil
		}
	}
	return ctx.Err()
}

// fill stores deliveries that cannot be handled now, in the place of those of another kind.
func (g *growth) fill(ctx context.Context, r *replica, kind string) error {
	numbers := fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", g.waiting-1)
	id := "'f0000000-0000-7000-8000-' || substr('000000000000' || i, -12)"
	if g.pg != nil {
		id = "'f0000000-0000-7000-8000-' || lpad(i::text, 12, '0')"
	}
	state, due := "pending", fmt.Sprintf("CASE WHEN i %% 10 = 0 THEN %d ELSE 0 END", time.Now().Add(time.Hour).UnixMilli())
	if kind == "dead" {
		state, due = "dead", "0"
	}
	err := app.InTx(ctx, r.db, func(ctx context.Context) error {
		return errors.Join(
			r.db.WithContext(ctx).Exec("DELETE FROM bus_deliveries WHERE key LIKE 'stuck%'").Error,
			r.db.WithContext(ctx).Exec("DELETE FROM bus_events WHERE key LIKE 'stuck%'").Error,
			r.db.WithContext(ctx).Exec(numbers+`INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at)
				SELECT `+id+`, 'bench.grown', 'stuck' || (i / 10), 1 + i % 10, 'bench', '', '', '', '', '{"id":1,"group":"x"}', 0 FROM n`).Error,
			r.db.WithContext(ctx).Exec(numbers+`INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at)
				SELECT `+id+`, 'grown000', 'stuck' || (i / 10), 1 + i % 10, '`+state+`', '', 1, 1, `+due+`, 0 FROM n`).Error,
		)
	})
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if g.pg == nil {
		return nil
	}
	return g.pg.tidy(ctx, g.schema+".bus_events, "+g.schema+".bus_deliveries")
}

// keys measures how long the numbers of keys stay that are not used again.
func (g *growth) keys(ctx context.Context) ([]measure.Finding, error) {
	if err := g.fresh(ctx); err != nil {
		return nil, err
	}
	r, err := startReplica(ctx, g.at, 1, func(c *config.Config) { c.Events.Retention = 0 })
	if err != nil {
		return nil, err
	}
	highest, took, err := g.manyKeys(ctx, r)
	if err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return []measure.Finding{{
		Name:  g.name(fmt.Sprintf("1,000 new keys a second, retention 0: %.0f numbers kept at the end, none after", highest)),
		Value: measure.Series{float64(took)}, Figure: measure.Nanoseconds, Limit: measure.AtMost(60e9),
	}}, r.stop()
}

// manyKeys publishes with a thousand new keys each second, for a minute, and returns how many numbers were kept at the end, and how
// long it then took until there were none.
func (g *growth) manyKeys(ctx context.Context, r *replica) (highest float64, took time.Duration, err error) {
	const perTx, every = 20, 20 * time.Millisecond
	begin := time.Now()
	for tx := range g.b.count(60_000, 1000) / perTx {
		err := app.InTx(ctx, r.db, func(ctx context.Context) error {
			for i := range perTx {
				if err := r.bus.Publish(ctx, grown{Group: fmt.Sprintf("k%d-%d", tx, i)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, 0, fmt.Errorf("publish: %w", err)
		}
		rest(ctx, time.Until(begin.Add(time.Duration(tx+1)*every)))
	}
	end := time.Now()
	for first := true; ; first = false {
		var left int64
		if err := r.db.WithContext(ctx).Raw("SELECT COUNT(*) FROM bus_sequences").Scan(&left).Error; err != nil {
			return 0, 0, fmt.Errorf("count numbers: %w", err)
		}
		if first {
			highest = float64(left)
		}
		if left == 0 || g.b.quick || time.Since(end) > 2*time.Minute {
			return highest, time.Since(end), nil
		}
		if !rest(ctx, 200*time.Millisecond) {
			return 0, 0, ctx.Err()
		}
	}
}
