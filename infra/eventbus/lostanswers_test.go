package eventbus_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest/pgrelay"
	"plugboard/config"
	"plugboard/infra/eventbus/admin"
)

// lossy is a Postgres that loses answers to commits.
type lossy struct {
	*rig
	// commits and lost count since begin.
	commits, lost atomic.Int64
	relay         *pgrelay.Relay
}

// startLossy runs a bus with the given plugins and one that stores dead letters in the table effects.
func startLossy(t *testing.T, cfg config.Events, onBoot ...func(b *app.Boot)) *lossy {
	t.Helper()
	at := newSchema(t)
	prepareEffects(t, at)
	relay, through, err := pgrelay.Through(at.url)
	require.NoError(t, err)
	t.Cleanup(relay.Close)
	l := &lossy{relay: relay}
	letters := subscribes(app.OnTx(func(ctx context.Context, e Letter) error {
		_, err := l.db.ExecContext(ctx, "INSERT INTO effects (grp, id) VALUES ($1, 1)", e.Error+" "+e.EventID)
		return err
	}), app.Named("letters"))
	l.rig = start(t, site{"postgres", through}, cfg, append(onBoot, publishes(Note{}), letters)...)
	return l
}

// begin makes Postgres lose the answers to the commits for whose numbers lose returns true.
func (l *lossy) begin(lose func(n int64) bool) {
	drop := func(answer []byte) bool {
		if !bytes.Contains(answer, []byte("COMMIT\x00")) || !lose(l.commits.Add(1)) {
			return false
		}
		l.lost.Add(1)
		return true
	}
	l.relay.Lose.Store(&drop)
}

// announcements returns how many deaths were announced, and how often.
func (l *lossy) announcements() []int {
	var deaths, all int
	row := l.db.Gorm().WithContext(l.t.Context()).Raw("SELECT COUNT(DISTINCT grp), COUNT(*) FROM effects").Row()
	require.NoError(l.t, row.Scan(&deaths, &all))
	return []int{deaths, all}
}

// sweeping returns settings with which the claimer sweeps each half second.
func sweeping() config.Events {
	cfg := settings()
	cfg.Lease = time.Second
	return cfg
}

func second(n int64) bool { return n == 2 }

// When the answer to a commit is lost, the commit may have happened. The bus writes its rows again, and they count once.
func TestAnOutcomeWhoseCommitIsUnknownCountsOnce(t *testing.T) {
	t.Parallel()
	t.Run("dead", func(t *testing.T) {
		t.Parallel()
		l := startLossy(t, sweeping(), subscribes(app.On(func(context.Context, Note) error { return app.Permanent(errors.New("broken")) })))
		l.begin(second) // the first is the publisher's
		require.NoError(t, l.bus.For("p1").Publish(t.Context(), Note{ID: 1}))
		l.idle()
		require.EqualValues(t, 1, l.lost.Load())
		require.Equal(t, []int{1, 1}, l.announcements())
	})
	t.Run("parked", func(t *testing.T) {
		t.Parallel()
		cfg := settings()
		cfg.Park = time.Hour
		l := startLossy(t, cfg, subscribes(app.On(func(context.Context, Note) error { return nil })))
		l.begin(second) // the first is the claim's
		insert(t, l.rig, "note.taken", "p0/note.taken", `{"id":"not a number"}`)
		require.Eventually(t, func() bool { return l.commits.Load() >= 3 }, 20*time.Second, time.Millisecond)
		parked, err := l.bus.Admin("test").Deliveries(t.Context(), admin.Filter{State: "pending"})
		require.NoError(t, err)
		require.Len(t, parked, 1)
		require.Zero(t, parked[0].Attempts)
	})
}

// Some of many commits have no answer, also commits of claims and of effects.
func TestWithAnswersLostEachAttemptAndEachDeathCountsOnce(t *testing.T) {
	t.Parallel()
	const events, most = 60, 10
	cfg := sweeping()
	ready := make(chan struct{})
	var runs seen[string]
	l := startLossy(t, cfg,
		subscribes(app.On(func(context.Context, Note) error {
			<-ready
			return app.Permanent(errors.New("broken for good"))
		}), app.Named("broken")),
		subscribes(app.On(func(ctx context.Context, _ Note) error {
			<-ready
			d, _ := app.DeliveryFrom(ctx)
			runs.add(d.EventID)
			return errors.New("broken for now")
		}), app.Named("failing"), app.Concurrency(1)),
	)
	for n := range int64(events) {
		require.NoError(t, l.bus.For("p2").Publish(t.Context(), Note{ID: n}))
	}
	l.begin(func(n int64) bool { return n%3 == 0 && n <= 3*most })
	close(ready)
	l.idle()
	require.EqualValues(t, most, l.lost.Load())
	require.Equal(t, []int{2 * events, 2 * events}, l.announcements())
	attempts := make(map[string]int)
	for _, run := range runs.all() {
		attempts[run]++
	}
	require.Len(t, attempts, events)
	for id, n := range attempts {
		require.Equal(t, cfg.Attempts, n, "attempts at %s", id)
	}
}
