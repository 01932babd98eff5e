package sharedlimit_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest/emptydb"
	"plugboard/infra/database"
	"plugboard/infra/sharedlimit"
)

// open opens a new Postgres schema with the table.
func open(t *testing.T) (*sharedlimit.Store, *database.DB) {
	t.Helper()
	db := emptydb.Open(t, emptydb.Postgres(t), sharedlimit.Migrations())
	return sharedlimit.New(db), db
}

func keyOf(text string) [16]byte {
	sum := sha256.Sum256([]byte(text))
	return [16]byte(sum[:16])
}

func number(t *testing.T, db *database.DB, query string) (n int64) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	require.True(t, rows.Next())
	require.NoError(t, rows.Scan(&n))
	return n
}

// near checks a time that the database's clock decides.
func near(t *testing.T, want, got time.Duration) {
	t.Helper()
	require.InDelta(t, want, got, float64(5*time.Minute), "%s is not near %s", got, want)
}

// TestTake: so many at once, then no more; what is returned is there again. A key that was never asked is full.
func TestTake(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	const interval, full = 10 * time.Hour, 30 * time.Hour
	for i := range 3 {
		ahead, taken, err := s.Take(t.Context(), keyOf("a"), interval, full)
		require.NoError(t, err)
		require.True(t, taken)
		near(t, time.Duration(i+1)*interval, ahead)
	}
	for range 3 {
		ahead, taken, err := s.Take(t.Context(), keyOf("a"), interval, full)
		require.NoError(t, err)
		require.False(t, taken)
		near(t, full, ahead)
	}
	_, taken, err := s.Take(t.Context(), keyOf("b"), interval, full)
	require.NoError(t, err)
	require.True(t, taken)
	require.NoError(t, s.Return(t.Context(), keyOf("a"), interval))
	require.NoError(t, s.Return(t.Context(), keyOf("unknown"), interval))
	ahead, taken, err := s.Take(t.Context(), keyOf("a"), interval, full)
	require.NoError(t, err)
	require.True(t, taken)
	near(t, full, ahead)
	_, err = db.ExecContext(t.Context(), "UPDATE ratelimit_counts SET full_at = 5") // long ago
	require.NoError(t, err)
	ahead, taken, err = s.Take(t.Context(), keyOf("a"), interval, full)
	require.NoError(t, err)
	require.True(t, taken)
	near(t, interval, ahead)
}

// A row says nothing once its bucket is full. Calls delete such rows, as many as they make at least, and no others.
func TestRowsThatSayNothingAreDeleted(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	for n, full := range map[int]string{3000: "1", 100: "9000000000000000000"} {
		_, err := db.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO ratelimit_counts SELECT substr(sha256(('%s ' || n)::bytea), 1, 16), %s FROM generate_series(1, %d) n", full, full, n))
		require.NoError(t, err)
	}
	for i := range 2000 {
		_, _, err := s.Take(t.Context(), keyOf(fmt.Sprint(i%100)), time.Hour, time.Hour)
		require.NoError(t, err)
	}
	require.Less(t, number(t, db, "SELECT count(*) FROM ratelimit_counts WHERE full_at = 1"), int64(1000))
	require.Equal(t, int64(200), number(t, db, "SELECT count(*) FROM ratelimit_counts WHERE full_at > 1"))
}

// Without an answer of the database nobody knows, and the caller is told so in two seconds.
func TestADatabaseThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s, db := open(t)
	locked, done := make(chan struct{}), make(chan struct{})
	var holder sync.WaitGroup
	holder.Go(func() {
		_ = db.InTx(t.Context(), func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "LOCK TABLE ratelimit_counts IN ACCESS EXCLUSIVE MODE")
			close(locked)
			<-done
			return err
		})
	})
	<-locked
	began := time.Now()
	_, taken, err := s.Take(t.Context(), keyOf("a"), time.Hour, time.Hour)
	require.False(t, taken)
	require.Equal(t, app.Unavailable, app.CodeOf(err), err)
	require.Less(t, time.Since(began), 8*time.Second, "the lock would let it wait ten seconds")
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, _, err = s.Take(gone, keyOf("a"), time.Hour, time.Hour)
	require.ErrorIs(t, err, context.Canceled)
	close(done)
	holder.Wait()
	_, taken, err = s.Take(t.Context(), keyOf("a"), time.Hour, time.Hour)
	require.NoError(t, err)
	require.True(t, taken)
	require.NoError(t, db.Close(t.Context()))
	_, _, err = s.Take(t.Context(), keyOf("a"), time.Hour, time.Hour)
	require.Equal(t, app.Unavailable, app.CodeOf(err), err)
	require.Equal(t, app.Unavailable, app.CodeOf(s.Return(t.Context(), keyOf("a"), time.Hour)))
}
