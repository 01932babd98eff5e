// Package database is the service's one database: SQLite in a file, or Postgres.
//
// It owns the connections from [DB.Open] to [DB.Close], gives plugins their handle, runs transactions and migrations, and turns
// errors of the database into the application's codes. Everything is safe for concurrent use, except a [Tx], which is for one
// goroutine.
//
// # One handle, joined by the context
//
// [DB.Gorm] returns the handle. Each of its statements looks in its context for an open transaction of this database and joins it.
// So db.WithContext(ctx) inside app.InTx reads its own writes and needs no second connection. Some statements would wait for the
// transaction they are in, or commit apart from it: one without a context, one with the context from outside the transaction, and
// one with the context of a transaction that has ended. They fail at once, with a message that says what to write instead.
//
// # The same on both databases
//
// A transaction begins as a writer. A failed statement fails its transaction, or the nested InTx it is in: later statements are
// refused and the commit becomes a rollback. Postgres does so itself; on SQLite internal/sqlite does. Times are stored in UTC. LOWER
// knows Unicode.
//
// On SQLite, LOWER is a function of this process, so an index on LOWER(column) must not be used: another program would write such
// an index with SQLite's own LOWER, which only knows ASCII.
//
// # Rooms
//
// A transaction ([Tx]) is a unit: own, shared with other transactions on SQLite, or nested in another one. Whoever wants to know
// how it ends attaches a [Participant]. Below are internal/sqlite and internal/pgx, which open connections and know nothing of
// transactions beyond one connection, internal/migrate, internal/orm, and two leaves, internal/contract and internal/sqltext.
package database
