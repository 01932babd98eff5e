package eventbus_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// An event that was published after GORM's SavePoint was delivered, although RollbackTo had undone the work that it announced.
func TestAnEventRolledBackToASavepointIsNotPublished(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[int64]
		r := start(t, at, settings(), publishes(Made{}, Note{}),
			subscribes(app.On(func(_ context.Context, e MadeRead) error { got.add(e.ID); return nil })),
			subscribes(app.On(func(_ context.Context, e MadeRead) error { got.add(e.ID); return nil }), app.Volatile()),
			subscribes(app.On(func(_ context.Context, e Note) error { got.add(e.ID); return nil }), app.Volatile()))
		bus := r.bus.For("p0")
		require.NoError(t, r.db.InTx(t.Context(), func(ctx context.Context) error {
			g := r.db.Gorm().WithContext(ctx)
			require.NoError(t, bus.Publish(ctx, Made{ID: 1, Group: "k"}))
			require.NoError(t, g.SavePoint("s1").Error)
			require.NoError(t, errors.Join(bus.Publish(ctx, Made{ID: 2, Group: "k"}), bus.Publish(ctx, Note{ID: 2})))
			require.NoError(t, g.RollbackTo("s1").Error)
			return errors.Join(bus.Publish(ctx, Made{ID: 3, Group: "k"}), bus.Publish(ctx, Note{ID: 3}))
		}))
		r.idle()
		require.ElementsMatch(t, []int64{1, 1, 3, 3, 3}, got.all())
	})
}

// A delivery that was completed after GORM's SavePoint is open again after RollbackTo.
func TestACompletionIsRolledBackToASavepoint(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var tries seen[int]
		var r *rig
		r = start(t, at, settings(), publishes(Note{}), subscribes(app.On(func(ctx context.Context, e Note) error {
			d, _ := app.DeliveryFrom(ctx)
			tries.add(d.Attempt)
			err := r.db.InTx(ctx, func(ctx context.Context) error {
				g := r.db.Gorm().WithContext(ctx)
				err := errors.Join(g.SavePoint("s1").Error, g.Exec("INSERT INTO effects (id) VALUES (?)", e.ID).Error, app.Complete(ctx))
				if d.Attempt == 1 {
					err = errors.Join(err, g.RollbackTo("s1").Error)
				}
				return err
			})
			return errors.Join(err, errors.New("after its completion a delivery does not fail"))
		})))
		_, err := r.db.ExecContext(t.Context(), "CREATE TABLE effects (id BIGINT)")
		require.NoError(t, err)
		r.publish(Note{ID: 7})
		r.idle()
		require.Equal(t, []int{1, 2}, tries.all(), "the second attempt completes the delivery")
		var n int64
		require.NoError(t, r.db.Gorm().WithContext(t.Context()).Table("effects").Count(&n).Error)
		require.Equal(t, int64(1), n)
	})
}
