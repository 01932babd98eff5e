package eventbus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// TestUnusedNumbersAreDeleted holds that a key leaves nothing behind after the retention, unless something of it is
// left to deliver, and that its order begins anew.
func TestUnusedNumbersAreDeleted(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		handled := &seen[int64]{}
		plugin := func(b *app.Boot) {
			b.Publishes(Made{})
			b.Subscribe(app.On(func(_ context.Context, e Made) error {
				if e.Group == "dead" {
					return app.Permanent(errors.New("never"))
				}
				handled.add(e.ID)
				return nil
			}))
		}
		first := start(t, at, settings(), plugin)
		first.publish(Made{Group: "a", ID: 1})
		first.publish(Made{Group: "a", ID: 2})
		first.publish(Made{Group: "dead", ID: 1})
		first.idle()
		first.stop()
		require.NoError(t, first.db.Close(t.Context()))

		cfg := settings()
		cfg.Retention = time.Nanosecond
		second := start(t, at, cfg, plugin)
		keys := func() (all []string) {
			rows, err := second.db.QueryContext(t.Context(), "SELECT key FROM bus_sequences ORDER BY key")
			require.NoError(t, err)
			defer func() { _ = rows.Close() }()
			for rows.Next() {
				var key string
				require.NoError(t, rows.Scan(&key))
				all = append(all, key)
			}
			return all
		}
		require.Eventually(t, func() bool { return len(keys()) == 1 }, 20*time.Second, 5*time.Millisecond)
		require.Equal(t, []string{"dead"}, keys())
		for n := range int64(8) {
			if n == 4 { // as when they are deleted while the process remembers the key
				_, err := second.db.ExecContext(t.Context(), "DELETE FROM bus_sequences WHERE key = 'a'")
				require.NoError(t, err)
			}
			second.publish(Made{Group: "a", ID: 3 + n})
			if n == 3 {
				second.idle()
			}
		}
		second.idle()
		require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, handled.all())
	})
}
