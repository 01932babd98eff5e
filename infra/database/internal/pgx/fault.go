package pgx

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"plugboard/infra/database/internal/contract"
)

// Fault tells what an error of the server means. It reports false for any other error.
func Fault(err error) (fault contract.Fault, ok bool) {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return fault, false
	}
	fault = faultOf(pg.Code)
	fault.Number = "SQLSTATE " + pg.Code
	fault.Retry = fault.Retry || stalePlan(err)
	if fault.Kind == contract.Duplicate || fault.Kind == contract.Missing {
		fault.Columns = columnsOf(pg)
	}
	return fault, true
}

func faultOf(code string) contract.Fault {
	switch code {
	case "23505":
		return contract.Fault{Kind: contract.Duplicate}
	case "23503":
		return contract.Fault{Kind: contract.Dangling}
	case "23P01":
		return contract.Fault{Kind: contract.Conflict}
	case "23514":
		return contract.Fault{Kind: contract.Check}
	case "23502":
		return contract.Fault{Kind: contract.Missing}
	case "22001", "22003", "22007", "22008", "22021", "22P02", "22P05":
		return contract.Fault{Kind: contract.Invalid}
	case "40001", "40P01": // serialization, deadlock
		return contract.Fault{Kind: contract.Unavailable, Retry: true}
	case "55P03", // a lock that was not to be had
		"25P03", "25P04", // the transaction did nothing for too long, or took too long
		"53000", "53200", "53400": // memory, temporary files: a statement may need too much
		return contract.Fault{Kind: contract.Unavailable}
	case "53300", "58000": // too many connections; the system under the server
		return contract.Fault{Kind: contract.Unavailable, Absent: true}
	case "25006", "58030": // read-only: a standby, or a primary that an operator has made so; I/O error
		return contract.Fault{Kind: contract.Unavailable, Absent: true, Storage: true}
	case "53100":
		return contract.Fault{Kind: contract.Full, Absent: true, Storage: true}
	case "57014":
		return contract.Fault{Kind: contract.TimedOut}
	case "25P02":
		return contract.Fault{Kind: contract.TxFailed}
	case "XX001", "XX002": // data and index corrupted
		return contract.Fault{Damage: true}
	}
	if strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") { // connection lost; stopped by an operator, or starting
		return contract.Fault{Kind: contract.Unavailable, Absent: true, Retry: strings.HasPrefix(code, "57P0")}
	}
	return contract.Fault{}
}

// violated finds the columns in the detail of a unique violation, "Key (name, size)=(…) already exists." in the server's
// language. It finds nothing if the index is on an expression.
var violated = regexp.MustCompile(`\((\w+(?:, \w+)*)\)=\(`)

func columnsOf(pg *pgconn.PgError) []string {
	if pg.ColumnName != "" {
		return []string{pg.ColumnName}
	}
	if found := violated.FindStringSubmatch(pg.Detail); found != nil {
		return strings.Split(found[1], ", ")
	}
	return nil
}

// LostConnection tells whether err is that of a connection that broke, or could not be made.
func LostConnection(err error) bool {
	var (
		netErr  net.Error
		connect *pgconn.ConnectError
	)
	return errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &connect) || errors.As(err, &netErr) || errors.Is(err, pgconn.ErrConnClosed)
}
