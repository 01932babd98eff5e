// Package database is the service's one database: SQLite in a file, or Postgres.
//
// It owns the connections from [DB.Open] to [DB.Close], gives plugins their handle, runs transactions and migrations, and turns
// errors of the database into the application's codes. Everything is safe for concurrent use, except a [Tx], which is for one
// goroutine.
//
// # One handle; the context carries the transaction
//
// [DB.Gorm] returns the handle. Each of its statements looks in its context for an open transaction of this database and joins it.
// So db.WithContext(ctx) inside app.InTx reads its own writes and needs no second connection. A statement fails at once, with a message
// that says what to write instead, if its context is missing, is from outside the transaction, or belongs to a transaction that has
// ended. Otherwise it would wait for the transaction it should be part of, or be committed apart from it.
//
// # The same on both databases
//
// A transaction on SQLite takes the lock for writing when it begins, so that it cannot lose it to another one half-way. After a failed
// statement, the databases refuse the later statements of its transaction, or of the nested InTx it is in, and roll back instead of
// committing. Postgres does so itself; on SQLite internal/sqlite does. Times are stored in UTC. LOWER changes all letters of Unicode.
//
// On SQLite, LOWER is a function of this process, so a migration must not create an index on LOWER(column): another program would write
// such an index with SQLite's own LOWER, which changes ASCII letters only.
//
// # Rooms
//
// A transaction ([Tx]) is a unit: own, shared with other transactions on SQLite, or nested in another one. Whoever wants to know
// how it ends attaches a [Participant]. Below are internal/sqlite and internal/pgx, which open connections and know nothing of
// transactions beyond one connection, internal/migrate, internal/orm, and two leaves, internal/contract and internal/sqltext.
package database
