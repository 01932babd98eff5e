package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"

	"plugboard/infra/database/internal/contract"
	"plugboard/infra/database/internal/sqltext"
)

// opener opens SQLite connections with the settings of their role, and checks that SQLite has accepted the settings.
type opener struct {
	driver *sqlite.Driver
	file   *dbFile
	writes bool
	dsn    string
	want   map[string]string
}

func newOpener(file *dbFile, role string, busyTimeout time.Duration) *opener {
	c := &opener{driver: &sqlite.Driver{}, file: file, writes: role != reading, want: map[string]string{
		"busy_timeout": strconv.FormatInt(max(busyTimeout.Milliseconds(), 1), 10),
		"journal_mode": "wal",
		"synchronous":  "2", // FULL: a commit survives a power cut
		"foreign_keys": "1",
		"query_only":   "0",
	}}
	switch role {
	case reading:
		c.want["query_only"] = "1"
	case migrating:
		c.want["foreign_keys"] = "0"
	}
	c.dsn = fileURI(file.path, url.Values{
		"mode":         {"rw"}, // SQLite must not make the file: takeFile has made it
		"_txlock":      {"immediate"},
		"_time_format": {"sqlite"},
		"_timezone":    {"UTC"},
		"_dqs":         {"0"},
		"_error_rc":    {"1"},
		"_pragma": {
			"busy_timeout(" + c.want["busy_timeout"] + ")",
			"journal_mode(wal)",
			"synchronous(full)",
			"foreign_keys(" + c.want["foreign_keys"] + ")",
			"journal_size_limit(67108864)",
			"query_only(" + c.want["query_only"] + ")",
		},
	})
	c.driver.MustRegisterDeterministicScalarFunction("lower", 1, lower)
	return c
}

// lower is LOWER for all letters of Unicode, as on Postgres. SQLite's own LOWER changes ASCII letters only.
func lower(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	switch v := args[0].(type) {
	case nil:
		return nil, nil
	case string:
		return strings.ToLower(v), nil
	case []byte:
		return strings.ToLower(string(v)), nil
	case float64:
		return strings.ToLower(strconv.FormatFloat(v, 'g', 15, 64)), nil
	default:
		return fmt.Sprint(v), nil
	}
}

// Driver implements driver.Connector.
func (c *opener) Driver() driver.Driver { return c.driver }

// Connect implements driver.Connector.
func (c *opener) Connect(ctx context.Context) (driver.Conn, error) {
	if err := errors.Join(ctx.Err(), c.file.check()); err != nil {
		return nil, err
	}
	opened, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	conn := &connection{rawConn: opened.(rawConn), file: c.file, writes: c.writes} //nolint:forcetypeassert // what modernc.org/sqlite's has
	if conn.handle, err = handleOf(conn.rawConn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	conn.RegisterRollbackHook(conn.rolledBack)
	if health := c.file.health; health != nil {
		conn.RegisterCommitHook(func() int32 { // SQLite calls it before it commits a write; if that fails, health.Failed is called next
			health.Committed()
			return 0
		})
	}
	if err := c.verify(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	//crash:point synchronous off: ctx conn.rawConn
	return conn, nil
}

// verify reads the settings back, and checks that the expected file was opened.
func (c *opener) verify(ctx context.Context, conn *connection) error {
	for name, want := range c.want {
		if got, err := conn.pragma(ctx, name); err != nil || got != want {
			return errors.Join(fmt.Errorf("PRAGMA %s is %q instead of %q", name, got, want), err)
		}
	}
	if c.file.lockFile == nil {
		return nil // another process owns the file
	}
	return errors.Join(conn.keepWAL(true), c.file.check())
}

// rawConn is what modernc.org/sqlite's connection can do.
type rawConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	sqlite.HookRegisterer
	sqlite.FileControl
}

// connection is a SQLite connection on which a failed statement fails its transaction, as on Postgres. SQLite itself rolls a whole
// transaction back when the disk is full, on an I/O error, and when a write is interrupted. The later statements of the transaction
// would then be committed one by one.
type connection struct {
	rawConn
	file   *dbFile
	writes bool
	handle uintptr // SQLite's own, to interrupt a statement
	inTx   bool
	// failed is the first error of a statement of the open transaction. A rollback, also one to a savepoint, clears it.
	failed error
	// openRows counts the queries of the open transaction whose rows are not closed.
	openRows int
	// lost is true if SQLite itself has rolled the open transaction back. Then no savepoint is left to roll back to.
	lost  bool
	stmts stmtCache
}

// rolledBack fails the open transaction. SQLite calls it when it rolls a transaction back, maybe by itself. Otherwise the next statement
// would be committed by itself; a SAVEPOINT would even begin another transaction.
func (c *connection) rolledBack() {
	if c.inTx {
		c.lost = true
		c.failed = cmp.Or(c.failed, errRolledBack)
	}
}

var errRolledBack = errors.New("the database rolled the transaction back")

// Close implements driver.Conn.
func (c *connection) Close() error {
	c.stmts.close()
	c.RegisterRollbackHook(nil)
	c.RegisterCommitHook(nil)
	return c.rawConn.Close()
}

// PrepareContext implements driver.ConnPrepareContext. The connection itself keeps the prepared form.
func (c *connection) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return &contract.Statement{Conn: c, Text: query}, nil
}

// keepWAL tells SQLite whether to keep the write-ahead log when the last connection is closed. While the database is open it is kept, so
// that it stays the same file, as [dbFile.check] expects.
func (c *connection) keepWAL(keep bool) error {
	mode := 0
	if keep {
		mode = 1
	}
	_, err := c.FileControlPersistWAL("main", mode)
	return err
}

func (c *connection) pragma(ctx context.Context, name string) (string, error) {
	rows, err := c.rawConn.QueryContext(ctx, "PRAGMA "+name, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	row := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(row); err != nil {
		return "", err
	}
	return fmt.Sprint(row[0]), nil
}

// BeginTx implements driver.ConnBeginTx.
func (c *connection) BeginTx(_ context.Context, opts driver.TxOptions) (driver.Tx, error) {
	// The driver would start a goroutine for ctx. BEGIN needs none: it waits for busy_timeout at most.
	tx, err := c.rawConn.BeginTx(context.Background(), opts)
	if err != nil {
		return nil, err
	}
	c.inTx, c.failed, c.lost, c.openRows = true, nil, false, 0
	return &transaction{Tx: tx, conn: c}, nil
}

// ExecContext implements driver.ExecerContext.
func (c *connection) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	defer c.noteChange()
	if err := c.admit(query); err != nil {
		return nil, err
	}
	rescue := c.failed != nil && !c.lost && sqltext.IsRollbackTo(query)
	if c.failed != nil && !rescue {
		return nil, c.refusal()
	}
	checked, err := c.checkAutocommit()
	if err != nil {
		return nil, err
	}
	result, err := c.exec(ctx, query, args)
	if rescue && err == nil {
		c.failed = nil
	}
	if err == nil {
		err = c.confirmAutocommit(checked)
	}
	return result, c.afterStatement(err)
}

// noteChange notes that the database may have changed. It is called when a change, if there is one, can be read by others, and before whoever made it
// learns that it is made.
func (c *connection) noteChange() {
	if c.writes && !c.inTx {
		c.file.changes.Add(1)
	}
}

// checkAutocommit checks that the files are in their place before a statement that writes outside a transaction, since such a statement
// commits. It returns the time of the check; the zero time if there was nothing to check.
func (c *connection) checkAutocommit() (checked time.Time, err error) {
	if !c.writes || c.inTx {
		return time.Time{}, nil
	}
	checked = time.Now()
	return checked, c.file.check()
}

// confirmAutocommit checks again after such a statement, if the statement took long.
func (c *connection) confirmAutocommit(checked time.Time) error {
	if checked.IsZero() {
		return nil
	}
	return c.file.confirm(checked)
}

func (c *connection) exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	stmt, err := c.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	w := interruptAfter(ctx, c.handle)
	result, err := stmt.stmt.ExecContext(context.Background(), args)
	if err = w.end(err); err != nil {
		_ = c.stmts.drop(stmt)
		return nil, err
	}
	return result, c.stmts.put(stmt)
}

// QueryContext implements driver.QueryerContext.
func (c *connection) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.admit(query); err != nil {
		return nil, err
	}
	if c.failed != nil {
		return nil, c.refusal()
	}
	checked, err := c.checkAutocommit()
	if err != nil {
		return nil, err
	}
	stmt, err := c.prepared(ctx, query)
	if err != nil {
		return nil, c.afterStatement(err)
	}
	w := interruptAfter(ctx, c.handle)
	found, err := stmt.stmt.QueryContext(context.Background(), args)
	if err != nil {
		_ = c.stmts.drop(stmt)
		return nil, c.afterStatement(w.end(err))
	}
	c.openRows++
	return &resultRows{rawRows: found.(rawRows), conn: c, stmt: stmt, interrupter: w, checked: checked}, nil //nolint:forcetypeassert // what modernc.org/sqlite's have
}

// admit returns an error for a statement that must not run in the open transaction. See [contract.Admit].
func (c *connection) admit(query string) error {
	if !c.inTx {
		return nil
	}
	err := contract.Admit(query, c.openRows)
	if errors.Is(err, contract.ErrRowsOpen) { // SQLite does not know of the statement, so its transaction stands; the caller may forbid the commit
		return err
	}
	return c.afterStatement(err)
}

// prepared returns a prepared statement for query, unless ctx has ended.
func (c *connection) prepared(ctx context.Context, query string) (*cachedStmt, error) {
	stmt, err := c.stmts.take(ctx, c.rawConn, query)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // ctx may have ended while the statement was prepared
		return nil, errors.Join(err, c.stmts.put(stmt))
	}
	return stmt, nil
}

// afterStatement records the error of a statement, if there is one: for the health of the database, and for the open transaction, which
// has failed then. It returns err.
func (c *connection) afterStatement(err error) error {
	c.file.reportError(err)
	if err != nil && c.inTx && c.failed == nil {
		c.failed = err
	}
	return err
}

func (c *connection) refusal() error {
	return fmt.Errorf("%w: %w", contract.ErrTxFailed, &txFailure{c.failed})
}

// txFailure has the text of the first failure. It hides the error itself, whose code would be wrong for the later statements.
type txFailure struct{ err error }

func (f *txFailure) Error() string { return f.err.Error() }

type transaction struct {
	driver.Tx
	conn *connection
}

// Commit implements driver.Tx. It rolls back instead if a statement of the transaction has failed, or if a file of the database is not in
// its place.
func (t *transaction) Commit() error {
	if t.conn.failed != nil {
		return errors.Join(t.conn.refusal(), t.Rollback())
	}
	checked := time.Now()
	if err := t.conn.file.check(); err != nil {
		return errors.Join(err, t.Rollback())
	}
	t.conn.inTx = false
	defer t.conn.noteChange()
	if err := t.Tx.Commit(); err != nil {
		t.conn.file.reportError(err)
		return err
	}
	return t.conn.file.confirm(checked)
}

// Rollback implements driver.Tx.
func (t *transaction) Rollback() error {
	failed := t.conn.failed
	t.conn.inTx, t.conn.failed, t.conn.lost = false, nil, false
	if err := t.Tx.Rollback(); err != nil && failed == nil {
		return err
	}
	return nil // after a failure SQLite may have rolled back already
}
