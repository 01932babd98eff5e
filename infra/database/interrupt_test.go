package database_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/infra/database"
)

// endless has SQLite count for ever.
const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

// A context that ends just as its statement begins: the database forgets an interruption that comes before the first
// step of a statement, and the statement would hold its connection for ever. The argument takes long to be handed over,
// and the context ends meanwhile, as nearly as can be told from outside.
func TestStatementEndsWithItsContextWheneverThatEnds(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	long := make([]byte, 16<<20)
	for i := range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*100*time.Microsecond)
		var n int
		err := db.Gorm().WithContext(ctx).Raw(endless+" WHERE ? IS NOT NULL", long).Scan(&n).Error
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
}

// A statement that has given a row, and looks for the next one when its context ends.
func TestRowsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rows, err := db.Gorm().WithContext(ctx).
		Raw("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 2").Rows()
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	require.True(t, rows.Next())
	time.AfterFunc(time.Millisecond, cancel)
	require.False(t, rows.Next())
	require.ErrorIs(t, rows.Err(), context.Canceled)
}
