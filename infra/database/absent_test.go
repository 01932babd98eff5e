package database_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/database"
)

// What the connectors say of an error decides whether an event handler is blamed for it: a database that is away is nobody's
// fault, a transaction that waits for others is its own.
func TestAbsentIsADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{"57P01": true, "53100": true, "08006": true, "40001": false, "25P04": false, "57014": false, "23505": false} {
		require.Equal(t, want, database.Absent(database.MapError(&pgconn.PgError{Code: code})), code)
	}
	require.True(t, database.Absent(database.MapError(database.ErrNotOpen)))
	require.False(t, database.Absent(nil))
	require.False(t, database.Absent(errors.New("a plugin's own")))
	require.False(t, database.Absent(app.Errorf(app.Invalid, "a plugin's own")))
}

func TestMapErrorGivesCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]app.Code{
		"23505": app.Conflict, "23503": app.Conflict, "23P01": app.Conflict, "23514": app.Invalid, "23502": app.Invalid, "22001": app.Invalid,
		"40001": app.Unavailable, "55P03": app.Unavailable, "53100": app.StorageFull, "57014": app.TimedOut, "42601": app.Internal,
	} {
		err := database.MapError(&pgconn.PgError{Code: code})
		require.Equal(t, want, app.CodeOf(err), code)
		require.Same(t, err, database.MapError(err), "an error has one code")
	}
	require.NoError(t, database.MapError(nil))
	require.Equal(t, app.TimedOut, app.CodeOf(database.MapError(context.DeadlineExceeded)))
	require.Equal(t, context.Canceled, database.MapError(context.Canceled), "nobody waits for an answer")
	named := database.MapError(&pgconn.PgError{Code: "23505", Detail: "Key (name, size)=(x, 3) already exists."})
	require.ErrorContains(t, named, "there is one with the same name and size already")
}
