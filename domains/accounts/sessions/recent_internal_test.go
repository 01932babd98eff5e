package sessions

import (
	"crypto/sha256"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/apptest"
)

// Whoever guesses tokens pushes no session out of memory: what is not there is not kept, and what is there is read once.
func TestGuessesAreNotKept(t *testing.T) {
	t.Parallel()
	db, r, reads := apptest.SQLite(t).Open(t), &recent{}, 0
	get := func(token, id string) {
		t.Helper()
		got, err := r.get(db, sha256.Sum256([]byte(token)), func([]byte) (found, error) {
			reads++
			return found{id: id}, nil
		})
		require.NoError(t, err)
		require.Equal(t, id, got.id)
	}
	get("ann's", "1")
	for i := range mostRecent {
		get("guess "+strconv.Itoa(i), "")
	}
	reads = 0
	get("ann's", "1")
	require.Zero(t, reads)
	require.Len(t, r.sessions, 1)
}
