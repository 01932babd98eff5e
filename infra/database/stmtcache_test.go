package database_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/database"
)

// A query whose rows are still being read is run again, and so many others are that its prepared statement leaves the
// connection's cache meanwhile: outside a transaction, which refuses that, a connection of one's own allows it.
func TestAQueryIsRunAgainWhileItsRowsAreRead(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	conn, err := fresh(t, database.SQLite).Conn(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	const query = "SELECT value FROM json_each('[1,2,3]')"
	all := func(then func()) (read []int) {
		rows, err := conn.QueryContext(ctx, query)
		require.NoError(t, err)
		defer func() { require.NoError(t, rows.Close()) }()
		for rows.Next() {
			var n int
			require.NoError(t, rows.Scan(&n))
			read = append(read, n)
			then()
		}
		require.NoError(t, rows.Err())
		return read
	}
	nothing := func() {}
	others := 0
	read := all(func() {
		require.Equal(t, []int{1, 2, 3}, all(nothing))
		for range 100 {
			others++
			_, err := conn.ExecContext(ctx, fmt.Sprintf("SELECT %d", others))
			require.NoError(t, err)
		}
	})
	require.Equal(t, []int{1, 2, 3}, read)
	require.Equal(t, []int{1, 2, 3}, all(nothing))
}

// A statement that has failed does not spoil the next run of the same text.
func TestAFailedStatementCanBeRunAgain(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := db.ExecContext(ctx, "CREATE TABLE things (id INTEGER PRIMARY KEY)")
	require.NoError(t, err)
	for id, fails := range []bool{false, true, false} {
		if fails {
			id = 0 // taken
		}
		_, err := db.ExecContext(ctx, "INSERT INTO things (id) VALUES (?)", id)
		require.Equal(t, fails, err != nil, "%v", err)
	}
}
