package eventbus_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/eventbus/admin"
	"plugboard/infra/eventbus/internal/message"
)

// Note is an event without order.
type Note struct {
	ID int64 `json:"id"`
}

func (Note) Topic() string { return "note.taken" }

func TestAFailedHandlerIsTriedAgainUntilItIsDead(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var attempts seen[int]
		var flaky, letters seen[string]
		r := start(t, at, settings(), publishes(Note{}),
			subscribes(app.On(func(ctx context.Context, _ Note) error {
				d, _ := app.DeliveryFrom(ctx)
				attempts.add(d.Attempt)
				return errors.New("never")
			}), app.Attempts(3)),
			subscribes(app.OnTx(func(ctx context.Context, _ Note) error {
				d, _ := app.DeliveryFrom(ctx)
				if flaky.add(fmt.Sprint(d.Attempt)); d.Attempt < 3 {
					panic("at first")
				}
				return nil
			})),
			subscribes(app.On(func(_ context.Context, l Letter) error { letters.add(l.Error); return nil })),
		)
		r.publish(Note{ID: 1})
		r.idle()
		require.Equal(t, []int{1, 2, 3}, attempts.all())
		require.Equal(t, []string{"1", "2", "3"}, flaky.all())
		require.Equal(t, []string{"never"}, letters.all())

		ops := r.bus.Admin("somebody")
		dead, err := ops.Deliveries(t.Context(), admin.Filter{State: "dead"})
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.Equal(t, "never", dead[0].Error)
		require.Equal(t, 3, dead[0].Attempts)
		require.JSONEq(t, `{"id":1}`, dead[0].Payload)
	})
}

// Letter reads the dead letters of notes.
type Letter struct {
	EventID string `json:"event_id"`
	Error   string `json:"error"`
}

func (Letter) Topic() string { return "_dlq.note.taken" }

func TestAPermanentErrorIsDeadAtOnceAndReplayedWithItsID(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var ids seen[string]
		var mended atomic.Bool
		r := start(t, at, settings(), publishes(Note{}),
			subscribes(app.On(func(ctx context.Context, _ Note) error {
				d, _ := app.DeliveryFrom(ctx)
				ids.add(d.EventID)
				if !mended.Load() {
					return app.Permanent(errors.New("broken"))
				}
				return nil
			})))
		r.publish(Note{ID: 1})
		r.publish(Note{ID: 2})
		r.idle()
		require.Len(t, ids.all(), 2)

		mended.Store(true)
		ops := r.bus.Admin("somebody")
		n, err := ops.Replay(t.Context(), admin.Filter{EventID: ids.all()[1]})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		r.idle()
		require.Equal(t, ids.all()[1], ids.all()[2])

		n, err = ops.Discard(t.Context(), admin.Filter{Topic: "note.taken"})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		actions, err := ops.Actions(t.Context(), "", 10)
		require.NoError(t, err)
		require.Equal(t, []string{"discard", "replay"}, []string{actions[0].Action, actions[1].Action})
		require.Equal(t, "somebody", actions[0].Actor)
	})
}

func TestADelayedEventWaits(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var took seen[time.Duration]
		begin := time.Now()
		r := start(t, at, settings(), publishes(Note{}),
			subscribes(app.On(func(ctx context.Context, _ Note) error {
				d, _ := app.DeliveryFrom(ctx)
				if d.Headers["color"] == "blue" {
					took.add(time.Since(begin))
				}
				return nil
			})))
		begin = time.Now()
		r.publish(Note{ID: 1}, app.Delay(150*time.Millisecond), app.Header("color", "blue"))
		r.idle()
		require.Len(t, took.all(), 1)
		require.GreaterOrEqual(t, took.all()[0], 145*time.Millisecond)
	})
}

func TestEventsThatDoNotFitInMemoryWaitInTheDatabase(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got, other seen[int64]
		gate := make(chan struct{})
		cfg := settings()
		cfg.Buffer = 8
		r := start(t, at, cfg, publishes(Note{}),
			subscribes(app.On(func(_ context.Context, e Note) error { <-gate; got.add(e.ID); return nil })),
			subscribes(app.On(func(_ context.Context, e Note) error { other.add(e.ID); return nil })))
		var want []int64
		for i := range 100 {
			r.publish(Note{ID: int64(i)})
			want = append(want, int64(i))
		}
		// The other subscription does not wait for the first.
		require.Eventually(t, func() bool { return len(other.all()) == 100 }, 20*time.Second, time.Millisecond)
		require.Empty(t, got.all())
		close(gate)
		r.idle()
		require.ElementsMatch(t, want, got.all())
	})
}

func TestAHandlerThatEndsItsGoroutineDelaysOnlyItself(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got, tx seen[int64]
		exit := func(list *seen[int64]) func(ctx context.Context, e Note) error {
			return func(ctx context.Context, e Note) error {
				if d, _ := app.DeliveryFrom(ctx); d.Attempt == 1 && e.ID%2 == 0 {
					runtime.Goexit()
				}
				list.keep(ctx, e.ID)
				return nil
			}
		}
		r := start(t, at, settings(), publishes(Note{}),
			subscribes(app.On(exit(&got)), app.Concurrency(1)), subscribes(app.OnTx(exit(&tx))))
		for i := range 10 {
			r.publish(Note{ID: int64(i)})
		}
		r.idle()
		require.ElementsMatch(t, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got.all())
		require.ElementsMatch(t, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, tx.all())
	})
}

func TestADeadDeliveryBlocksItsKeyWithBlock(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var passing, blocked seen[string]
		var mended atomic.Bool
		handler := func(list *seen[string]) func(ctx context.Context, e Made) error {
			return func(_ context.Context, e Made) error {
				if e.Group == "a" && e.ID == 1 && !mended.Load() {
					return app.Permanent(errors.New("broken"))
				}
				list.add(fmt.Sprintf("%s%d", e.Group, e.ID))
				return nil
			}
		}
		r := start(t, at, settings(), publishes(Made{}),
			subscribes(app.On(handler(&passing))), subscribes(app.On(handler(&blocked)), app.Block()))
		for i := range 3 {
			r.publish(Made{ID: int64(i), Group: "a"})
			r.publish(Made{ID: int64(i), Group: "b"})
		}
		require.Eventually(t, func() bool { return len(passing.all()) == 5 && len(blocked.all()) == 4 }, 20*time.Second, time.Millisecond)
		require.ElementsMatch(t, []string{"a0", "b0", "b1", "b2"}, blocked.all())
		mended.Store(true)
		require.Eventually(t, func() bool { // the settler marks the delivery as dead some time after the handler has failed
			n, err := r.bus.Admin("somebody").Replay(t.Context(), admin.Filter{Subscription: "p2/thing.made"})
			return err == nil && n == 1
		}, 20*time.Second, time.Millisecond)
		require.Eventually(t, func() bool { return len(blocked.all()) == 6 }, 20*time.Second, time.Millisecond)
		require.Equal(t, []string{"a1", "a2"}, blocked.all()[4:])
	})
}

func TestCompleteCommitsWithTheEffect(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var tries seen[int]
		var r *rig
		r = start(t, at, settings(), publishes(Note{}),
			subscribes(app.On(func(ctx context.Context, e Note) error {
				d, _ := app.DeliveryFrom(ctx)
				tries.add(d.Attempt)
				if err := app.Complete(ctx); err == nil {
					return app.Permanent(errors.New("complete outside a transaction must fail"))
				}
				err := r.db.InTx(ctx, func(ctx context.Context) error {
					if _, err := r.db.ExecContext(ctx, "INSERT INTO effects (id) VALUES ("+fmt.Sprint(e.ID)+")"); err != nil {
						return err
					}
					if err := app.Complete(ctx); err != nil {
						return err
					}
					if d.Attempt == 1 {
						return errors.New("undone")
					}
					return nil
				})
				if err != nil {
					return err
				}
				return errors.New("after its completion a delivery does not fail")
			})))
		_, err := r.db.ExecContext(t.Context(), "CREATE TABLE effects (id BIGINT)")
		require.NoError(t, err)
		r.publish(Note{ID: 7})
		r.idle()
		require.Equal(t, []int{1, 2}, tries.all())
		rows, err := r.db.QueryContext(t.Context(), "SELECT id FROM effects")
		require.NoError(t, err)
		defer func() { _ = rows.Close() }()
		n := 0
		for rows.Next() {
			n++
		}
		require.Equal(t, 1, n)
	})
}

func TestAnUnreadablePayloadIsParkedThenDead(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		runs := 0
		r := prepare(t, at, settings(), publishes(Note{}),
			subscribes(app.On(func(context.Context, Note) error { runs++; return nil })))
		insert(t, r, "note.taken", "p1/note.taken", `{"id":"not a number"}`)
		require.NoError(t, r.bus.Start(t.Context()))
		require.Eventually(t, func() bool {
			dead, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{State: "dead"})
			return err == nil && len(dead) == 1
		}, 20*time.Second, 5*time.Millisecond)
		require.Zero(t, runs)
	})
}

// A version cannot read an event, another version reads it and fails, and then again a version cannot read it. The limit of the parking
// counted from the first time, so the delivery was dead at once. It must count anew.
func TestParkingBeginsAnewAfterAnAttempt(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		cfg := settings()
		cfg.Park = 2 * time.Second // longer than each parking, and shorter than the backoff between them
		attempts := make(chan int, 10)
		runs := 0
		r := start(t, at, cfg, publishes(Note{}), subscribes(app.On(func(ctx context.Context, _ Note) error {
			d, _ := app.DeliveryFrom(ctx)
			attempts <- d.Attempt
			switch runs++; runs {
			case 1, 3: // as an old version would
				return fmt.Errorf("v1: %w", message.ErrUnreadable)
			case 2:
				return errors.New("v2 has read it and failed")
			}
			return nil
		}), app.Concurrency(1), app.Backoff(3*time.Second, 3*time.Second)))
		r.publish(Note{ID: 1})
		for _, want := range []int{1, 1, 2, 2} {
			require.Equal(t, want, receive(t, attempts))
		}
		r.idle()
		dead, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{})
		require.NoError(t, err)
		require.Empty(t, dead)
	})
}

// A handler changes the headers of its delivery. Other handlers of the event must not see the change.
func TestHandlersDoNotShareHeaders(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[string]
		changed := make(chan struct{})
		r := start(t, at, settings(), publishes(Note{}),
			subscribes(app.On(func(ctx context.Context, _ Note) error {
				d, _ := app.DeliveryFrom(ctx)
				d.Headers["colour"] = "red"
				close(changed)
				return nil
			}), app.Named("painter")),
			subscribes(app.On(func(ctx context.Context, _ Note) error {
				<-changed
				d, _ := app.DeliveryFrom(ctx)
				got.add(d.Headers["colour"])
				return nil
			}), app.Named("looker")))
		r.publish(Note{ID: 1}, app.Header("colour", "blue"))
		r.idle()
		require.Equal(t, []string{"blue"}, got.all())
	})
}

// The first attempt gets the event from memory, and the second from the database, which keeps whole milliseconds.
func TestAllAttemptsSeeTheSamePublicationTime(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var times seen[time.Time]
		begin := time.Now()
		failing := func(ctx context.Context, _ Note) error {
			d, _ := app.DeliveryFrom(ctx)
			times.add(d.Time)
			return errors.New("never")
		}
		r := start(t, at, settings(), publishes(Note{}), subscribes(app.On(failing)), subscribes(app.On(failing), app.Volatile()))
		r.publish(Note{ID: 1})
		r.idle()
		require.Len(t, times.all(), 8)
		for _, at := range times.all() {
			require.Equal(t, times.all()[0], at)
			require.WithinRange(t, at, begin.Add(-2*time.Millisecond), time.Now())
		}
	})
}

// Sparse is an event with a field that JSON leaves out.
type Sparse struct {
	Text *string `json:"text,omitempty"`
}

func (Sparse) Topic() string { return "sparse.made" }

// The first attempt gets the event from memory, and the second from the stored JSON. The first one also had the fields that JSON leaves
// out.
func TestAllAttemptsGetTheSameStruct(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[Sparse]
		r := start(t, at, settings(), publishes(Sparse{}), subscribes(app.On(func(_ context.Context, e Sparse) error {
			got.add(e)
			return errors.New("never")
		}), app.Attempts(2)))
		r.publish(Sparse{Text: new(string)})
		r.idle()
		require.Equal(t, []Sparse{{}, {}}, got.all())
	})
}

// insert stores an event of another version with an open delivery.
func insert(t *testing.T, r *rig, topic, subscription, payload string) {
	t.Helper()
	id := uuid.Must(uuid.NewV7()).String() // with the present time, since the janitor deletes old events without deliveries at once
	for _, statement := range []string{
		`INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at)
			VALUES ('` + id + `', '` + topic + `', '', 0, 'x', '', '', '', '', '` + payload + `', 1)`,
		`INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at)
			VALUES ('` + id + `', '` + subscription + `', '', 0, 'pending', '', 0, 0, 0, 0)`,
	} {
		_, err := r.db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

func TestARestartedBusContinues(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		gate := make(chan struct{})
		var first, second seen[int64]
		cfg := settings()
		r := start(t, at, cfg, publishes(Note{}),
			subscribes(app.On(func(ctx context.Context, e Note) error {
				select {
				case <-gate:
				case <-ctx.Done():
					return ctx.Err()
				}
				first.add(e.ID)
				return nil
			}), app.Named("notes"), app.Concurrency(1)))
		for i := range 20 {
			r.publish(Note{ID: int64(i)})
		}
		close(gate)
		r.stop()
		require.NoError(t, r.db.Close(t.Context()))

		r2 := start(t, at, cfg, publishes(Note{}),
			subscribes(app.On(func(_ context.Context, e Note) error { second.add(e.ID); return nil }), app.Named("notes.renamed"), app.Formerly("notes")))
		r2.idle()
		all := append(first.all(), second.all()...)
		require.Len(t, all, 20)
		subscriptions, err := r2.bus.Admin("x").Subscriptions(t.Context())
		require.NoError(t, err)
		require.Len(t, subscriptions, 1)
		require.Equal(t, "notes.renamed", subscriptions[0].Name)
	})
}

func TestEventsGoToTheSubscriptionsOfOtherVersionsToo(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		old := start(t, at, settings(), publishes(Note{}), subscribes(app.On(func(context.Context, Note) error { return nil }), app.Named("old")))
		old.stop()
		require.NoError(t, old.db.Close(t.Context()))
		r := start(t, at, settings(), publishes(Note{}))
		r.publish(Note{ID: 1})
		waiting, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{})
		require.NoError(t, err)
		require.Len(t, waiting, 1)
		require.Equal(t, "old", waiting[0].Subscription)
		require.NoError(t, r.bus.Admin("x").Retire(t.Context(), "old"))
		require.Error(t, r.bus.Admin("x").Retire(t.Context(), "unknown"))
	})
}

func TestATimeoutEndsOnlyItsOwnRun(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[int64]
		hang := func(ctx context.Context, e Note) error {
			if d, _ := app.DeliveryFrom(ctx); e.ID == 0 && d.Attempt == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			got.keep(ctx, e.ID)
			return ctx.Err()
		}
		r := start(t, at, settings(), publishes(Note{}),
			subscribes(app.On(hang), app.Timeout(30*time.Millisecond), app.Concurrency(1)),
			subscribes(app.OnTx(hang), app.Timeout(time.Second)),
			subscribes(app.On(hang), app.Timeout(30*time.Millisecond), app.Concurrency(1), app.Volatile()))
		for i := range 3 {
			r.publish(Note{ID: int64(i)})
		}
		r.idle()
		require.ElementsMatch(t, []int64{0, 0, 0, 1, 1, 1, 2, 2, 2}, got.all())
	})
}

func TestAFailingTransactionalHandlerDoesNotDisturbOthers(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var effects, tries seen[int64]
		gate := make(chan struct{})
		var r *rig
		r = start(t, at, settings(), publishes(Note{}), subscribes(app.OnTx(func(ctx context.Context, e Note) error {
			if e.ID == 0 {
				<-gate // so that the others wait together
			}
			if _, err := r.db.ExecContext(ctx, fmt.Sprintf("INSERT INTO effects (id) VALUES (%d)", e.ID)); err != nil {
				return err
			}
			if e.ID%10 == 5 {
				tries.add(e.ID)
				return errors.New("never")
			}
			effects.add(e.ID)
			return nil
		}), app.Concurrency(1), app.Attempts(2)))
		_, err := r.db.ExecContext(t.Context(), "CREATE TABLE effects (id BIGINT PRIMARY KEY)")
		require.NoError(t, err)
		if at.name == "postgres" { // on SQLite the waiting handler holds the one writer
			r.publish(Note{ID: 0})
		} else {
			close(gate)
		}
		for i := range 40 {
			r.publish(Note{ID: int64(i) + 1})
		}
		if at.name == "postgres" {
			close(gate)
		}
		r.idle()
		rows, err := r.db.QueryContext(t.Context(), "SELECT id FROM effects ORDER BY id")
		require.NoError(t, err)
		defer func() { require.NoError(t, rows.Close()) }()
		var stored []int64
		for rows.Next() {
			var id int64
			require.NoError(t, rows.Scan(&id))
			require.NotEqual(t, int64(5), id%10)
			stored = append(stored, id)
		}
		require.NoError(t, rows.Err())
		require.GreaterOrEqual(t, len(stored), 36) // each is there once, since id is the primary key
		require.GreaterOrEqual(t, len(tries.all()), 8)
		dead, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{State: "dead"})
		require.NoError(t, err)
		require.Len(t, dead, 4)
	})
}

func TestABacklogOfOneKeyIsHandledWithoutPolls(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[int64]
		cfg := settings()
		cfg.Poll = time.Minute
		first := start(t, at, cfg, publishes(Made{}), subscribes(app.On(none[Made]), app.Named("made")))
		first.stop()
		require.NoError(t, first.db.Close(t.Context()))
		off := start(t, at, cfg, publishes(Made{}))
		for i := range 150 { // for a subscription that this bus does not know
			off.publish(Made{ID: int64(i), Group: "a"})
		}
		off.stop()
		require.NoError(t, off.db.Close(t.Context()))
		r := start(t, at, cfg, publishes(Made{}), subscribes(app.On(func(_ context.Context, e Made) error { got.add(e.ID); return nil }), app.Named("made")))
		r.idle()
		require.Len(t, got.all(), 150)
		for i, id := range got.all() {
			require.EqualValues(t, i, id)
		}
	})
}
