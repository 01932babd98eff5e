package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"time"

	"plugboard/infra/database/internal/sqltext"
)

// rawRows is what modernc.org/sqlite's rows can do.
type rawRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

type resultRows struct {
	rawRows
	conn        *connection
	stmt        *cachedStmt // nil once closed
	interrupter *interrupter
	failed      bool
	// checked is the time that checkAutocommit has returned.
	checked time.Time
	// read is true if all rows were read.
	read bool
}

// Next implements driver.Rows.
func (r *resultRows) Next(dest []driver.Value) error {
	err := r.rawRows.Next(dest)
	if err == io.EOF { //nolint:errorlint // driver.Rows demands io.EOF itself
		r.read = true
		err = cmp.Or(r.conn.confirmAutocommit(r.checked), err)
	}
	if err == nil || err == io.EOF { //nolint:errorlint // as above
		return err
	}
	r.failed = true
	return r.conn.afterStatement(r.interrupter.cause(err))
}

// Close implements driver.Rows. It gives the statement back.
func (r *resultRows) Close() error {
	if r.stmt == nil {
		return nil
	}
	stmt := r.stmt
	r.stmt = nil
	defer r.conn.noteChange()
	r.conn.openRows--
	err := r.interrupter.end(r.rawRows.Close())
	if err != nil || r.failed {
		_ = r.conn.stmts.drop(stmt)
		return err
	}
	return errors.Join(r.conn.stmts.put(stmt), r.conn.confirmAutocommit(r.checked), r.followUp(stmt.query))
}

// followUp runs an empty statement to its end, because SQLite moves the write-ahead log into the file only when a statement ends so. It is
// needed after INSERT … RETURNING of GORM's Create, which closes the rows before the end.
func (r *resultRows) followUp(query string) error {
	if r.read || r.conn.inTx || sqltext.IsSelect(query) {
		return nil
	}
	_, err := r.conn.exec(context.Background(), "SELECT 1 WHERE FALSE", nil)
	return err
}
