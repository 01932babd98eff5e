package eventbus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// A volatile subscription without room held up the end of each transaction that published, and on SQLite so each writer.
func TestAFullVolatileSubscriptionDoesNotHoldUpTransactions(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		cfg := settings()
		cfg.Buffer = 2
		step := make(chan struct{})
		handled := make(chan struct{}, 100)
		r := start(t, at, cfg, publishes(Note{}), subscribes(app.On(func(context.Context, Note) error {
			<-step
			handled <- struct{}{}
			return nil
		}), app.Volatile(), app.Concurrency(1)))
		publish := func() {
			require.NoError(t, r.db.InTx(t.Context(), func(ctx context.Context) error {
				return errors.Join(r.bus.For("p0").Publish(ctx, Note{ID: 1}), r.bus.For("p0").Publish(ctx, Note{ID: 2}))
			}))
		}
		publish()
		const rounds = 40
		begin := time.Now()
		for range rounds { // with room for one again each time
			step <- struct{}{}
			receive(t, handled)
			publish()
		}
		require.Less(t, time.Since(begin), rounds*200*time.Millisecond) // a wait takes 250 ms
		close(step)
		r.idle()
	})
}
