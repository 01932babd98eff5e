package eventbus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/database"
)

var errLate = errors.New("the transaction fails when its events are written")

// When a commit fails, the database takes the number of the event back before this process hears of the failure. Meanwhile others take
// this number and the next one. The process claimed the next number on top of the failed one. This event then waited in memory for its
// predecessor, the predecessor waited in the database, and nobody handled the key any more.
func TestAKeyContinuesAfterAFailedCommit(t *testing.T) {
	t.Parallel()
	at := newSchema(t) // not on SQLite: there nobody can publish before the process hears of the failure
	var got seen[int64]
	r := start(t, at, settings(), publishes(Made{}), subscribes(app.On(func(_ context.Context, e Made) error {
		got.add(e.ID)
		return nil
	})))
	r.publish(Made{ID: 1, Group: "k"})
	r.idle()

	ctx := t.Context()
	err := r.db.InTx(ctx, func(tx context.Context) error {
		open, ok := database.TxFrom(tx)
		require.True(t, ok)
		open.Attach(nil, database.Participant{AfterRollback: func() { // runs before the bus's AfterRollback
			r.publish(Made{ID: 2, Group: "k"})
			r.publish(Made{ID: 3, Group: "k"})
		}})
		if err := r.bus.For("p0").Publish(tx, Made{ID: 99, Group: "k"}); err != nil {
			return err
		}
		open.Attach(nil, database.Participant{BeforeCommit: func(context.Context) error { // runs when the bus has attached its own participant
			open.Attach(nil, database.Participant{BeforeCommit: func(context.Context) error { return errLate }})
			return nil
		}})
		return nil
	})
	require.ErrorIs(t, err, errLate)
	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	require.NoError(t, r.bus.Idle(limit))
	require.Equal(t, []int64{1, 2, 3}, got.all())
}
