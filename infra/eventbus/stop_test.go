package eventbus_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/database"
)

// untried counts the pending deliveries that no handler has tried.
func untried(t *testing.T, db *database.DB) int64 {
	t.Helper()
	return number(t, db, "SELECT COUNT(*) FROM bus_deliveries WHERE state = 'pending' AND attempts = 0")
}

// When the service stops, deliveries that have not begun go back to the database at once. A stuck handler, volatile or durable, does not
// delay this.
func TestAStopGivesBackWhatHasNotBegun(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		begun, gate := make(chan struct{}, 100), make(chan struct{})
		stuck := func(ctx context.Context) error {
			begun <- struct{}{}
			<-gate // even when the context ends
			return ctx.Err()
		}
		r := start(t, at, settings(), publishes(Note{}, Made{}),
			subscribes(app.On(func(ctx context.Context, _ Made) error { return stuck(ctx) }), app.Volatile()),
			subscribes(app.On(func(ctx context.Context, _ Note) error { return stuck(ctx) }), app.Concurrency(1)))
		r.publish(Made{})
		for i := range int64(10) {
			r.publish(Note{ID: i})
		}
		receive(t, begun)
		receive(t, begun)

		stopped := make(chan error)
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
			defer cancel()
			stopped <- r.bus.Stop(ctx)
		}()
		require.Eventually(t, func() bool { return untried(t, r.db) == 9 }, 4*time.Second, 10*time.Millisecond)
		err := receive(t, stopped)
		require.ErrorContains(t, err, "subscription p2/note.taken: 1 still running")
		require.ErrorContains(t, err, "subscription p1/thing.made: 1 still running")
		require.NotContains(t, err.Error(), "outcomes not written")
		require.EqualValues(t, 9, untried(t, r.db))
		require.Empty(t, begun)
		close(gate)
		r.dead = true
	})
}
