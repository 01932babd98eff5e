// Package replica makes this process known to the other processes that share its database.
//
// On Postgres it keeps a row with a lease and a session with an advisory lock, and takes over the deliveries of processes that are dead
// or hang. On SQLite there is only one process, and the package makes the claims of its earlier runs pending again. The package knows no
// delivery in memory. It calls the functions of [Events] when the outbox has to act.
package replica
