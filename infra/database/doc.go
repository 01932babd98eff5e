// Package database is the service's one database: SQLite in a file, or Postgres. It owns the connections from
// [DB.Open] to [DB.Close], the handle that plugins get, transactions, migrations, and the translation of
// database errors into the application's codes.
//
// # One handle, joined by the context
//
// [DB.Gorm] returns the handle. Each of its statements looks in its context for an open transaction of this
// database and joins it, so that db.WithContext(ctx) inside app.InTx reads its own writes and needs no second
// connection. What would wait for the transaction it is in, or commit apart from it, fails at once with a
// message that says what to write instead: a statement without a context, one with the context from outside
// the transaction, and one with the context of a transaction that has ended.
//
// # The same on both databases
//
// A transaction begins as a writer. A failed statement fails its transaction, or the nested InTx it is in: later
// statements are refused and the commit becomes a rollback. That is Postgres' rule; on SQLite this package
// enforces it, which also guards against statements that would run on their own after SQLite itself has rolled
// a transaction back (full disk, I/O error, interrupt). Times are stored in UTC; LOWER knows Unicode.
//
// LOWER is replaced on SQLite by a function of this process, so an index on LOWER(column) must not be used
// there: another program would write it by SQLite's own, ASCII-only LOWER.
package database
