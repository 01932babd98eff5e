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

// A transaction whose commit failed has given its number back in the database before this process learns of it. In
// between, others take that number and the next one; the latter was claimed on top of the failed one, waited in memory
// for a predecessor that lay in the database, and kept the database's from being claimed: nobody handled the key any
// more.
func TestAKeyGoesOnWhenOthersPublishBeforeAFailedCommitIsKnown(t *testing.T) {
	t.Parallel()
	at := newSchema(t) // on SQLite, nobody publishes before it is known
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
		open.Attach(nil, database.Participant{AfterRollback: func() { // before the bus's own
			r.publish(Made{ID: 2, Group: "k"})
			r.publish(Made{ID: 3, Group: "k"})
		}})
		if err := r.bus.For("p0").Publish(tx, Made{ID: 99, Group: "k"}); err != nil {
			return err
		}
		open.Attach(nil, database.Participant{BeforeCommit: func(context.Context) error { // after the bus's own has been registered
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
