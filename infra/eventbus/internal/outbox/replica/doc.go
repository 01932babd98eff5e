// Package replica keeps this process known to the others that share its database.
//
// On Postgres it holds a row with a lease, with a session that has an advisory lock, and takes over the deliveries of processes that
// are dead or hang. On SQLite there is one process, which takes back what its earlier runs left. The package knows no delivery in
// memory: it tells the outbox through [Events] what has happened.
package replica
