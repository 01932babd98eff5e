package pgx

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"

	"plugboard/infra/database/internal/sqltext"
)

// atStartup are the parameters that are sent when a connection is made, because PgBouncer accepts them. With any other parameter it
// refuses the connection, or silently drops the parameter, so a statement sets the others.
var atStartup = []string{"application_name", "client_encoding", "options", "timezone"}

// sessionParams is a list of parameters, such as the timeouts, that are set on each new connection of a pool. They hold for as long as
// the server keeps one session for one client; [checkSessions] makes sure of that.
type sessionParams struct {
	names, values []string
}

// newSessionParams takes the parameters that a statement has to set out of params, and returns them.
func newSessionParams(params map[string]string) *sessionParams {
	s := &sessionParams{}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !slices.Contains(atStartup, name) {
			s.names, s.values = append(s.names, name), append(s.values, params[name])
			delete(params, name)
		}
	}
	return s
}

// apply sets the parameters and reads them back. A pooler may have run the first statement on one session and the second on
// another.
func (s *sessionParams) apply(ctx context.Context, conn *pgconn.PgConn) error {
	if len(s.names) == 0 {
		return nil
	}
	var set, read []string
	var args, names [][]byte
	for i, name := range s.names {
		set = append(set, fmt.Sprintf("set_config($%d, $%d, false)", 2*i+1, 2*i+2))
		read = append(read, fmt.Sprintf("current_setting($%d)", i+1))
		args = append(args, []byte(name), []byte(s.values[i]))
		names = append(names, []byte(name))
	}
	want, err := oneRow(ctx, conn, "SELECT "+strings.Join(set, ", "), args)
	if err != nil {
		return fmt.Errorf("set %s: %w", strings.Join(s.names, ", "), err)
	}
	got, err := oneRow(ctx, conn, "SELECT "+strings.Join(read, ", "), names)
	if err != nil {
		return fmt.Errorf("read %s: %w", strings.Join(s.names, ", "), err)
	}
	for i, name := range s.names {
		if got[i] != want[i] {
			return fmt.Errorf("%w: %s was set to %s, and is %s", errSharedSession, name, want[i], got[i])
		}
	}
	return nil
}

// oneRow runs a query as an unnamed statement. A named one would stay in the session.
func oneRow(ctx context.Context, conn *pgconn.PgConn, query string, args [][]byte) ([]string, error) {
	result := conn.ExecParams(ctx, query, args, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	if len(result.Rows) != 1 {
		return nil, fmt.Errorf("the server returned %d rows instead of one", len(result.Rows))
	}
	values := make([]string, len(result.Rows[0]))
	for i, value := range result.Rows[0] {
		values[i] = string(value)
	}
	return values, nil
}

// errSharedSession is the error for a pooler that moves a client from session to session.
var errSharedSession = fmt.Errorf("%w: a pooler such as PgBouncer hands its sessions from client to client, after each "+
	"transaction or statement; locks and timeouts belong to a session, so set pool_mode = session for this database, or "+
	"connect to Postgres itself", errRefused)

// sessionRounds is how often the sessions of two clients are compared. A pooler that shares sessions mostly shows it in the first
// round. While other clients take sessions from the pooler, it may show in a later round only.
const sessionRounds = 8

// checkSessions fails unless each of two connections keeps a session of its own. A pooler in transaction mode gives the second
// connection the session that the first has just used, or gives the first a new one.
func checkSessions(ctx context.Context, pool *sql.DB) error {
	first, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = first.Close() }()
	second, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open a second connection: %w", err)
	}
	defer func() { _ = second.Close() }()
	own := ""
	for range sessionRounds {
		one, err := processOf(ctx, first)
		if err != nil {
			return err
		}
		other, err := processOf(ctx, second)
		if err != nil {
			return err
		}
		if one == other || own != "" && own != one {
			return errSharedSession
		}
		own = one
	}
	return nil
}

// processOf returns the number of the server process that runs conn's statements.
func processOf(ctx context.Context, conn *sql.Conn) (process string, err error) {
	err = conn.Raw(func(driven any) error {
		pg, ok := driven.(*connection)
		if !ok {
			return errors.New("a connection of another connector")
		}
		row, err := oneRow(ctx, pg.Conn.Conn().PgConn(), "SELECT pg_backend_pid()", nil)
		if err == nil {
			process = row[0]
		}
		return err
	})
	return process, err
}

// poolParams holds the parameters for the connections of a pool. There are none before [poolParams.set], which is called once it is sure
// that no pooler hands the server's sessions to other clients: those would get the parameters.
type poolParams struct{ current atomic.Pointer[sessionParams] }

// set makes each connection apply the parameters before its next use.
func (s *poolParams) set(next *sessionParams) { s.current.Store(next) }

// changesSession reports whether a statement, given as its first word in capitals and the rest, changes the session itself: its
// parameters, its role, its prepared statements. It does not look into functions such as set_config.
func changesSession(word, rest string) bool {
	switch word {
	case "RESET", "DISCARD", "DEALLOCATE":
		return true
	case "SET":
		next := sqltext.FirstWord(rest)
		return next != "LOCAL" && next != "TRANSACTION" && next != "CONSTRAINTS"
	default:
		return false
	}
}
