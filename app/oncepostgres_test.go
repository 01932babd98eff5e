package app_test

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/app/apptest/pgrelay"
)

// A replica is refused at once while another one works on the request, and gives the answer of that one afterwards.
func TestAReplicaIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	db := apptest.Postgres(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	one, other := rings(t, db, nil), rings(t, db, nil)
	one.work = func(context.Context, *ringAnswer) error {
		close(entered)
		<-leave
		return nil
	}
	first := make(chan *apptest.Answer, 1)
	go func() { first <- one.order(key + "k") }()
	<-entered
	begin := time.Now()
	other.order(key+"k").Status(http.StatusConflict).Header("Retry-After", "1")
	t.Logf("the replica refused in %s", time.Since(begin))
	close(leave)
	same(t, (<-first).Status(http.StatusCreated), other.order(key+"k"))
	require.Zero(t, other.runs)
	one.took(1)
}

// through boots the plugin on a Postgres behind a relay.
func through(t *testing.T) (*rung, *pgrelay.Relay) {
	t.Helper()
	relay, url, err := pgrelay.Through(apptest.Postgres(t).URL)
	require.NoError(t, err)
	t.Cleanup(relay.Close)
	return rings(t, apptest.Database{URL: url}, nil), relay
}

// When the connection is lost after COMMIT was sent, nobody knows whether the work was stored. The client repeats the request and learns.
func TestARepeatTellsWhatACommitOfUnknownOutcomeDid(t *testing.T) {
	t.Parallel()
	for name, stored := range map[string]bool{"the commit arrives": true, "the commit is lost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, relay := through(t)
			r.work = func(context.Context, *ringAnswer) error {
				lose := func(answer []byte) bool { return bytes.Contains(answer, []byte("COMMIT\x00")) }
				swallow := func(sent []byte) []byte {
					if !bytes.Contains(sent, []byte("commit")) {
						return sent
					}
					relay.Cut()
					return nil
				}
				if stored {
					relay.Lose.Store(&lose)
				} else {
					relay.Rewrite.Store(&swallow)
				}
				return nil
			}
			first := r.order(key + "k").Status(http.StatusServiceUnavailable)
			if stored { // otherwise the end of the connection may be noticed before COMMIT is sent
				first.Fails(app.Unavailable, "the connection to the database was lost; whether this was stored is unknown")
			}
			relay.Lose.Store(nil)
			relay.Rewrite.Store(nil)
			r.work = nil
			var again *apptest.Answer
			require.Eventually(t, func() bool {
				again = r.order(key + "k")
				return again.Code != http.StatusConflict
			}, time.Minute, 10*time.Millisecond)
			again.Status(http.StatusCreated)
			require.Equal(t, stored, again.Head.Get("Idempotency-Replayed") == "true")
			r.took(1)
		})
	}
}

// The function may run again. What an attempt has set before it failed is not in the answer.
func TestAnAttemptThatFailedLeavesNothingInTheAnswer(t *testing.T) {
	t.Parallel()
	r := rings(t, apptest.Postgres(t), nil)
	attempts := 0
	r.work = func(ctx context.Context, _ *ringAnswer) error {
		if attempts++; attempts == 1 {
			app.SetStatus(ctx, http.StatusAccepted)
			app.SetHeader(ctx, "X-First", "1")
			return &pgconn.PgError{Code: "40001"} // a serialization failure
		}
		return nil
	}
	first := r.order(key + "k").Status(http.StatusCreated)
	require.Equal(t, 2, attempts)
	require.Equal(t, []string{"</a>", "</b>"}, first.Head["Link"])
	require.Empty(t, first.Head["X-First"])
	same(t, first, r.order(key+"k"))
	r.took(1)
}

// A connection that breaks takes the lock of its transaction with it only when the server notices. Until then the request, which is tried
// again, and its repeats are refused; it is not done twice.
func TestAfterALostConnectionTheWorkIsDoneOnce(t *testing.T) {
	t.Parallel()
	r, relay := through(t)
	r.work = func(context.Context, *ringAnswer) error {
		relay.Cut()
		return nil
	}
	r.order(key + "k")
	r.work = nil
	var answer *apptest.Answer
	require.Eventually(t, func() bool {
		answer = r.order(key + "k")
		return answer.Code != http.StatusConflict
	}, time.Minute, 10*time.Millisecond)
	answer.Status(http.StatusCreated)
	same(t, &apptest.Answer{Code: answer.Code, Body: answer.Body, Head: without(answer.Head)}, r.order(key+"k"))
	r.took(1)
}

// without returns headers without the mark of a repeat.
func without(h http.Header) http.Header {
	h = h.Clone()
	h.Del("Idempotency-Replayed")
	return h
}

// Services of one database, each in a schema of its own, do not refuse each other's requests.
func TestASchemaIsNotRefusedForAnother(t *testing.T) {
	t.Parallel()
	one, other := rings(t, apptest.Postgres(t), nil), rings(t, apptest.Postgres(t), nil)
	one.work = func(context.Context, *ringAnswer) error {
		other.order(key + "k").Status(http.StatusCreated)
		return nil
	}
	one.order(key + "k").Status(http.StatusCreated)
}
