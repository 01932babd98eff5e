package eventbus_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// With a thousand waiting events for each key, the search for the first event of each key read all of them. After a restart, the bus
// needed longer to work a backlog off than to write it.
func TestALongBacklogOfFewKeysIsWorkedOff(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	eachSite(t, func(t *testing.T, at site) {
		const few, many = 50, 1000
		// The machine may be busy, so the best of several measurements counts.
		best := map[int]time.Duration{few: time.Hour, many: time.Hour}
		for round := 0; round < 2 || round < 8 && best[many] >= 3*best[few]; round++ {
			for _, each := range []int{few, many} {
				best[each] = min(best[each], workOff(t, anew(t, at), each))
			}
		}
		t.Logf("the first %d events take %s of %d of each key, and %s of %d", backlogFirst, best[many], many, best[few], few)
		require.Less(t, best[many], 3*best[few])
	})
}

// anew returns another empty site of the same kind.
func anew(t *testing.T, at site) site {
	t.Helper()
	if at.name == "postgres" {
		return newSchema(t)
	}
	return site{at.name, "sqlite:" + filepath.Join(t.TempDir(), "events.db")}
}

const (
	backlogKeys = 12
	// backlogFirst is the number of events of a backlog for which the test waits.
	backlogFirst = 600
)

// workOff starts a bus with a backlog of each events for every key, and returns how long it took for the first backlogFirst events.
func workOff(t *testing.T, at site, each int) time.Duration {
	t.Helper()
	var got atomic.Int64
	done := make(chan struct{})
	r := prepare(t, at, settings(), publishes(Made{}), subscribes(app.On(func(context.Context, Made) error {
		if got.Add(1) == backlogFirst {
			close(done)
		}
		return nil
	})))
	require.NoError(t, r.db.InTx(t.Context(), func(ctx context.Context) error {
		for _, statement := range []string{
			fmt.Sprintf(`CREATE TABLE n AS WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
				SELECT i, 'k' || (i %% %d) AS key, 1 + i / %[2]d AS seq FROM c`, backlogKeys*each-1, backlogKeys),
			`INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at)
				SELECT 'e' || i, 'thing.made', key, seq, 'p0', '', '', '', '', '{"id":' || i || '}', 0 FROM n`,
			`INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at)
				SELECT 'e' || i, 'p1/thing.made', key, seq, 'pending', '', 0, 0, 0, 0 FROM n`,
		} {
			if _, err := r.db.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}))
	begin := time.Now()
	require.NoError(t, r.bus.Start(t.Context()))
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%d of %d events after a minute", got.Load(), backlogFirst)
	}
	took := time.Since(begin)
	r.stop()
	return took
}
