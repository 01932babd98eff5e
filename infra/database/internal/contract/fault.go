package contract

// Kind says what went wrong, in words that both databases share.
type Kind int

// The kinds of faults.
const (
	// Other is a fault that only its own database knows.
	Other Kind = iota
	// Duplicate is a violated unique constraint or primary key, Dangling a foreign key, Conflict an exclusion constraint,
	// Check a check constraint, Missing a NOT NULL.
	Duplicate
	Dangling
	Conflict
	Check
	Missing
	// Invalid is a value that is too long, out of range or malformed.
	Invalid
	// Unavailable is a database that cannot do what was asked now, and may later.
	Unavailable
	// Full is a full disk.
	Full
	// TimedOut is a statement that was ended because it took too long.
	TimedOut
	// TxFailed is a statement after an earlier one of its transaction has failed.
	TxFailed
)

// Fault is what an error of a database means.
type Fault struct {
	Kind Kind
	// Number is how the database numbers it: "SQLSTATE 23505", "SQLite 2067". It may be empty.
	Number string
	// Columns are the columns of a Duplicate or Missing, if the database names them.
	Columns []string
	// Retry is true if a transaction failed because of others and nothing of it was committed: it may run again.
	Retry bool
	// Absent is true if the database was absent, full, read-only, or stopped from outside.
	Absent bool
	// Storage is true if the storage refused a write.
	Storage bool
	// Damage is true if something stored cannot be read.
	Damage bool
}
