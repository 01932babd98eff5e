package eventbus_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest/pgbouncer"
	"plugboard/app/apptest/pgrelay"
)

// PgBouncer with its default settings refused every connection, although the bus allows session pooling. Behind PgBouncer, replicas see by
// the locks of their sessions who lives, as without it.
func TestReplicasBehindPgBouncer(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	bouncer, err := pgbouncer.Start(t.Context(), at.url)
	if errors.Is(err, pgbouncer.ErrMissing) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(bouncer.Stop)
	relay, dyingURL, err := pgrelay.Through(bouncer.TCP(nil))
	require.NoError(t, err)
	t.Cleanup(relay.Close)
	cfg := settings() // the lease is 30 s
	begun := make(chan struct{}, 100)
	dying := start(t, site{at.name, dyingURL}, cfg, publishes(Note{}), subscribes(app.On(func(ctx context.Context, _ Note) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}), app.Concurrency(1)))
	for i := range int64(10) {
		dying.publish(Note{ID: i})
	}
	receive(t, begun)
	living := make(chan int64, 100)
	start(t, site{at.name, bouncer.URL()}, cfg, publishes(Note{}), subscribes(app.On(func(_ context.Context, e Note) error {
		living <- e.ID
		return nil
	}), app.Concurrency(1)))
	require.EqualValues(t, 2, number(t, dying.db, "SELECT count(*) FROM bus_processes"), "who lives is not taken over")
	dying.dead = true
	relay.Close() // as the system closes the connections of a process that dies
	got := map[int64]bool{}
	for len(got) < 10 {
		got[receive(t, living)] = true
	}
}
