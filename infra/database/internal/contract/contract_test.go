package contract_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/database/internal/contract"
)

func TestAdmit(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"SELECT 1", "SAVEPOINT x", "RELEASE x", "ROLLBACK TO x", "ROLLBACK TRANSACTION TO x"} {
		require.NoError(t, contract.Admit(query, 0), query)
		require.ErrorIs(t, contract.Admit(query, 1), contract.ErrRowsOpen, query)
	}
	for query, want := range map[string]string{
		"COMMIT": "COMMIT", "ROLLBACK": "ROLLBACK", "BEGIN": "BEGIN", "SELECT 1; end": "END", "START TRANSACTION": "START TRANSACTION",
	} {
		require.EqualError(t, contract.Admit(query, 0), want+" must not be run in an open transaction: whoever has begun the transaction ends it")
	}
}

type recorder struct{ queries []string }

var errRecorded = errors.New("recorded")

func (r *recorder) ExecContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	r.queries = append(r.queries, "exec "+query)
	return nil, errRecorded
}

func (r *recorder) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	r.queries = append(r.queries, "query "+query)
	return nil, errRecorded
}

// A prepared statement runs through its connection, which looks at each statement.
func TestStatementsRunThroughTheirConnection(t *testing.T) {
	t.Parallel()
	conn := &recorder{}
	s := &contract.Statement{Conn: conn, Text: "SELECT 1"}
	_, err := s.ExecContext(t.Context(), nil)
	require.ErrorIs(t, err, errRecorded)
	_, err = s.QueryContext(t.Context(), nil)
	require.ErrorIs(t, err, errRecorded)
	require.Equal(t, []string{"exec SELECT 1", "query SELECT 1"}, conn.queries)
	require.Equal(t, -1, s.NumInput())
	_, err = s.Exec(nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = s.Query(nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.NoError(t, s.Close())
}
