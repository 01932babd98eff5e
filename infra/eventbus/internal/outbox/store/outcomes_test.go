package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// outcomes are the statements for a claimed delivery. Each reports whether it changed the delivery.
var outcomes = map[string]func(ctx context.Context, s Deliveries, d Held) (bool, error){
	"complete": func(ctx context.Context, s Deliveries, d Held) (bool, error) { return s.Complete(ctx, d) },
	"complete all": func(ctx context.Context, s Deliveries, d Held) (bool, error) {
		n, err := s.CompleteAll(ctx, []Held{d})
		return n == 1, err
	},
	"retry": func(ctx context.Context, s Deliveries, d Held) (bool, error) {
		return s.Retry(ctx, d, 3, time.Hour, "no")
	},
	"release": func(ctx context.Context, s Deliveries, d Held) (bool, error) { return s.Release(ctx, d, time.Hour) },
	"park": func(ctx context.Context, s Deliveries, d Held) (bool, error) {
		expired, err := s.Park(ctx, d, time.Minute, time.Hour, 0, "unreadable")
		return !expired, err
	},
	"dead-letter": func(ctx context.Context, s Deliveries, d Held) (bool, error) { return s.DeadLetter(ctx, d, "never") },
	"solo run":    func(ctx context.Context, s Deliveries, d Held) (bool, error) { return s.CountSoloRun(ctx, d) },
}

// A process was taken for dead and comes back. It must not complete, fail or give back a delivery that another process has claimed since.
func TestAClaimThatIsNotTheLatestChangesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		const latest = "running b#5 try 2 crashes 1/1 behind 0"
		r.add("e", "state = 'running', owner = 'b', token = 5, attempts = 2, ends = 1, alone = 1")
		for name, outcome := range outcomes {
			for _, held := range []Held{{"e", "sub", 4}, {"e", "sub", 6}, {"e", "other", 5}, {"f", "sub", 5}} {
				mine, err := outcome(r.ctx(), r.Deliveries(), held)
				require.NoError(t, err, name)
				require.False(t, mine, "%s by %v", name, held)
				require.Equal(t, latest, r.see("e"), "%s by %v", name, held)
			}
		}
	})
}

func TestTheLatestClaimSettlesItsDelivery(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		want := map[string]string{
			"complete": "gone", "complete all": "gone",
			"retry":       "pending #5 try 3 crashes 0/0 behind 0 no",
			"release":     "pending #5 try 1 crashes 0/0 behind 0",
			"park":        "pending #5 try 1 crashes 0/0 behind 0 unreadable",
			"dead-letter": "dead #5 try 2 crashes 1/1 behind 0 never",
			"solo run":    "running a#5 try 2 crashes 1/2 behind 0",
		}
		for name, outcome := range outcomes {
			r.add("e", "state = 'running', owner = 'a', token = 5, attempts = 2, ends = 1, alone = 1, due_at = {now}")
			mine, err := outcome(r.ctx(), r.Deliveries(), Held{"e", "sub", 5})
			require.NoError(t, err, name)
			require.True(t, mine, name)
			require.Equal(t, want[name], r.see("e"), name)
			r.do("DELETE FROM bus_deliveries")
		}
	})
}

// The answer to a commit may be lost. The outcome is then written again, and must not count twice.
func TestAnOutcomeThatIsWrittenAgainChangesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		for name, outcome := range outcomes {
			if name == "solo run" { // it is not repeated: the handler is not called when it fails
				continue
			}
			r.add("e", "state = 'running', owner = 'a', token = 5, attempts = 2, due_at = {now}")
			_, err := outcome(r.ctx(), r.Deliveries(), Held{"e", "sub", 5})
			require.NoError(t, err, name)
			before := r.see("e")
			again, err := outcome(r.ctx(), r.Deliveries(), Held{"e", "sub", 5})
			require.NoError(t, err, name)
			require.False(t, again, name)
			require.Equal(t, before, r.see("e"), name)
			r.do("DELETE FROM bus_deliveries")
		}
	})
}

func TestRetryAndReleaseSayWhenADeliveryIsDue(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		const running = "state = 'running', owner = 'a', token = 5, parked_at = 7"
		r.add("retried", running)
		_, err := r.Deliveries().Retry(r.ctx(), Held{"retried", "sub", 5}, 1, time.Hour, "no")
		require.NoError(t, err)
		about(t, time.Hour, r.dueIn("retried"))
		require.Zero(t, r.number("SELECT parked_at FROM bus_deliveries WHERE event_id = 'retried'"), "it has been read")
		require.NotZero(t, r.number("SELECT failed_at FROM bus_deliveries WHERE event_id = 'retried'"))

		r.add("released", running)
		_, err = r.Deliveries().Release(r.ctx(), Held{"released", "sub", 5}, time.Hour)
		require.NoError(t, err)
		about(t, time.Hour, r.dueIn("released"))
		require.Equal(t, int64(7), r.number("SELECT parked_at FROM bus_deliveries WHERE event_id = 'released'"))

		r.add("at once", running)
		_, err = r.Deliveries().Release(r.ctx(), Held{"at once", "sub", 5}, 0)
		require.NoError(t, err)
		require.Equal(t, int64(5), r.number("SELECT due_at FROM bus_deliveries WHERE event_id = 'at once'"), "as before")
	})
}

func TestParkingHasALimit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		for name, c := range map[string]struct {
			set         string
			began       time.Duration
			expired     bool
			wait, since time.Duration
		}{
			"for the first time":      {"due_at = {now} - 60000", time.Hour, false, time.Minute, time.Minute},
			"again":                   {"due_at = {now}, parked_at = {now} - 600000", time.Hour, false, time.Minute, 10 * time.Minute},
			"up to the limit":         {"due_at = {now}, parked_at = {now} - 3570000", time.Hour, false, 30 * time.Second, 3570 * time.Second},
			"beyond the limit":        {"due_at = {now}, parked_at = {now} - 3600001", time.Hour, true, 0, 0},
			"due for longer than it":  {"due_at = {now} - 7200000", 3 * time.Hour, true, 0, 0},
			"due before this process": {"due_at = {now} - 7200000", time.Minute, false, time.Minute, time.Minute},
		} {
			r.do("DELETE FROM bus_deliveries")
			r.add("e", "state = 'running', owner = 'a', token = 5, "+c.set)
			expired, err := r.Deliveries().Park(r.ctx(), Held{"e", "sub", 5}, time.Minute, time.Hour, c.began, "unreadable")
			require.NoError(t, err, name)
			require.Equal(t, c.expired, expired, name)
			if expired {
				require.Equal(t, "running a#5 try 1 crashes 0/0 behind 0", r.see("e"), name)
				continue
			}
			about(t, c.wait, r.dueIn("e"))
			about(t, c.since+time.Minute, time.Minute+time.Duration(r.number("SELECT {now} - parked_at FROM bus_deliveries"))*time.Millisecond)
		}
	})
}

func TestCompleteAllCountsItsOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		var held []Held
		for _, id := range []string{"e1", "e2", "e3"} {
			r.add(id, "state = 'running', owner = 'a', token = 5")
			held = append(held, Held{id, "sub", 5})
		}
		r.do("UPDATE bus_deliveries SET token = 6 WHERE event_id = 'e2'")
		r.addTo("other", "e1", "token = 5")
		n, err := r.Deliveries().CompleteAll(r.ctx(), held)
		require.NoError(t, err)
		require.Equal(t, int64(2), n)
		require.Equal(t, []string{"other/e1", "sub/e2"}, r.texts("SELECT subscription || '/' || event_id FROM bus_deliveries ORDER BY 1"))
		n, err = r.Deliveries().CompleteAll(r.ctx(), nil)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestCompleteAtCommitIsUndoneByARollback(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.add("e", "state = 'running', owner = 'a', token = 5")
		held, undone := []Held{{"e", "sub", 5}}, errors.New("undone")
		require.ErrorIs(t, r.DB.InTx(r.ctx(), func(ctx context.Context) error {
			require.NoError(t, r.Deliveries().CompleteAtCommit(ctx, held))
			return undone
		}), undone)
		require.NotEqual(t, "gone", r.see("e"))
		r.inTx(func(ctx context.Context) error { return r.Deliveries().CompleteAtCommit(ctx, held) })
		require.Equal(t, "gone", r.see("e"))
	})
}

func TestOnlyAPendingDeliveryIsDeadLetteredUnclaimed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.add("pending", "")
		r.add("running", "state = 'running', owner = 'a'")
		for id, want := range map[string]bool{"pending": true, "running": false, "none": false} {
			dead, err := r.Deliveries().DeadLetterUnclaimed(r.ctx(), id, "sub", "bad row")
			require.NoError(t, err)
			require.Equal(t, want, dead, id)
		}
		require.Equal(t, "dead #1 try 1 crashes 0/0 behind 0 bad row", r.see("pending"))
		require.Equal(t, "running a#1 try 1 crashes 0/0 behind 0", r.see("running"))
	})
}

func TestUnfinishedLeavesOutTheDead(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		left := func() bool {
			found, err := r.Deliveries().Unfinished(r.ctx(), []string{"sub", "none"})
			require.NoError(t, err)
			return found
		}
		r.addTo("other", "e", "")
		r.add("dead", "state = 'dead'")
		require.False(t, left())
		r.add("e1", "state = 'running'")
		r.add("e2", "")
		require.True(t, left())
	})
}
