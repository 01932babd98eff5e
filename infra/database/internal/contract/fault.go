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
	// TxFailed is a statement in a transaction in which one has failed.
	TxFailed
)

// Fault is what an error of a database means.
type Fault struct {
	Kind Kind
	// Number is how the database numbers it: "SQLSTATE 23505", "SQLite 2067". It may be empty.
	Number string
	// Columns are those that a Duplicate or Missing is about, where the database tells.
	Columns []string
	// Retry tells that a transaction failed because of others, and that nothing of it was committed: it may be run again.
	Retry bool
	// Absent tells that the database was absent, full, read-only, or stopped from outside.
	Absent bool
	// Storage tells that the storage refused a write.
	Storage bool
	// Damage tells that something stored cannot be read.
	Damage bool
}
