package pgx

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"plugboard/infra/database/internal/contract"
)

// An event handler whose own transaction made the database refuse was run again for ever, since that counted as the
// database's failure. Each code that means 503 is here, with whether the database was absent.
func TestOnlyAnAbsentFullOrStoppedServerIsAbsent(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"08000": true, "08001": true, "08003": true, "08004": true, "08006": true, "08P01": true,
		"57P01": true, "57P02": true, "57P03": true, "57P04": true, "57P05": true,
		"25006": true, "53100": true, "53300": true, "58000": true, "58030": true,
		"25P03": false, "25P04": false, // the transaction did nothing for too long, or took too long
		"40001": false, "40P01": false, "55P03": false, // other transactions
		"53000": false, "53200": false, "53400": false, // memory, temporary files: a statement may need too much
	} {
		fault, ok := Fault(fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code}))
		require.True(t, ok)
		require.Contains(t, []contract.Kind{contract.Unavailable, contract.Full}, fault.Kind, code)
		require.Equal(t, want, fault.Absent, code)
		require.Equal(t, "SQLSTATE "+code, fault.Number)
	}
	for _, code := range []string{"57014", "25P04", "23505"} {
		require.False(t, faultOf(code).Absent, code)
	}
}

func TestFaultsOfTheServer(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]contract.Fault{
		"23505": {Kind: contract.Duplicate},
		"23503": {Kind: contract.Dangling},
		"23P01": {Kind: contract.Conflict},
		"23514": {Kind: contract.Check},
		"23502": {Kind: contract.Missing},
		"22001": {Kind: contract.Invalid},
		"22P02": {Kind: contract.Invalid},
		"40001": {Kind: contract.Unavailable, Retry: true},
		"40P01": {Kind: contract.Unavailable, Retry: true},
		"55P03": {Kind: contract.Unavailable},
		"57P01": {Kind: contract.Unavailable, Absent: true, Retry: true},
		"08006": {Kind: contract.Unavailable, Absent: true},
		"25006": {Kind: contract.Unavailable, Absent: true, Storage: true},
		"58030": {Kind: contract.Unavailable, Absent: true, Storage: true},
		"53100": {Kind: contract.Full, Absent: true, Storage: true},
		"57014": {Kind: contract.TimedOut},
		"25P02": {Kind: contract.TxFailed},
		"XX001": {Damage: true},
		"XX002": {Damage: true},
		"42601": {}, // a mistake in the statement
		"0A000": {},
	} {
		require.Equal(t, want, faultOf(code), code)
	}
	_, ok := Fault(errors.New("something else"))
	require.False(t, ok)
}

// A statement that was prepared before its table was changed fails its transaction, which is tried again.
func TestAStalePlanIsTriedAgain(t *testing.T) {
	t.Parallel()
	stale, _ := Fault(&pgconn.PgError{Code: "0A000", Routine: "RevalidateCachedQuery"})
	require.True(t, stale.Retry)
	other, _ := Fault(&pgconn.PgError{Code: "0A000", Routine: "transformSomething"})
	require.False(t, other.Retry)
}

func TestColumnsOfAViolation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  pgconn.PgError
		want []string
	}{
		{pgconn.PgError{Code: "23505", Detail: "Key (name)=(x) already exists."}, []string{"name"}},
		{pgconn.PgError{Code: "23505", Detail: "Schlüssel »(name, size)=(x, 3)« existiert bereits."}, []string{"name", "size"}},
		{pgconn.PgError{Code: "23505", Detail: "Key (lower(name))=(x) already exists."}, nil},
		{pgconn.PgError{Code: "23502", ColumnName: "watts"}, []string{"watts"}},
		{pgconn.PgError{Code: "23514", ColumnName: "watts"}, nil},
	} {
		fault, _ := Fault(&c.err)
		require.Equal(t, c.want, fault.Columns, c.err.Detail)
	}
}

func TestLostConnections(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		driver.ErrBadConn, io.EOF, contract.ErrAnswerLost, net.ErrClosed, &net.OpError{Op: "read", Err: errors.New("reset")},
		pgconn.ErrConnClosed, &pgconn.ConnectError{},
	} {
		require.True(t, LostConnection(fmt.Errorf("wrapped: %w", err)), "%T", err)
	}
	for _, err := range []error{nil, context.Canceled, contract.ErrTxFailed, &pgconn.PgError{Code: "23505"}} {
		require.False(t, LostConnection(err), "%v", err)
	}
}

// What the error of a COMMIT says: an answer of the server is an answer; without one, it depends on whether COMMIT was sent.
func TestCommitFailure(t *testing.T) {
	t.Parallel()
	refusal := &pgconn.PgError{Code: "57P01"}
	require.Same(t, error(refusal), commitFailure(refusal, true))
	require.ErrorIs(t, commitFailure(io.EOF, false), contract.ErrNotCommitted)
	require.ErrorIs(t, commitFailure(io.EOF, true), contract.ErrCommitUnknown)
	require.ErrorIs(t, commitFailure(io.EOF, true), io.EOF)
}
