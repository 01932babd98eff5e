package manifest

// Events are the events of the application.
type Events struct {
	Publications  []Publication  `json:"publications"`
	Subscriptions []Subscription `json:"subscriptions"`
	Answers       []Answer       `json:"answers"`
	Schedules     []Schedule     `json:"schedules"`
	// DeadLetter is announced under "_dlq.<topic>".
	DeadLetter Payload `json:"dead_letter"`
}

// Publication is an event that a plugin publishes.
type Publication struct {
	Topic  string `json:"topic"`
	Plugin string `json:"plugin"`
	Source string `json:"source"`
	// Ordered is true when the event has a key. KeyFields are the fields that the key consists of.
	Ordered   bool     `json:"ordered,omitzero"`
	KeyFields []string `json:"key_fields,omitempty"`
	Payload   Payload  `json:"payload"`
}

// Subscription is a subscription as it takes effect.
type Subscription struct {
	Name        string   `json:"name"`
	Topic       string   `json:"topic"`
	Plugin      string   `json:"plugin"`
	Source      string   `json:"source"`
	Durable     bool     `json:"durable"`
	Tx          bool     `json:"transaction"`
	Block       bool     `json:"block,omitzero"`
	Formerly    []string `json:"formerly,omitempty"`
	Concurrency int      `json:"concurrency"`
	Attempts    int      `json:"attempts"`
	BackoffMin  string   `json:"backoff_min"`
	BackoffMax  string   `json:"backoff_max"`
	Timeout     string   `json:"timeout"`
	// OnSQLite is the timeout on SQLite, where it differs.
	OnSQLite string `json:"timeout_sqlite,omitzero"`
	// Payload is the subscriber's own struct, with the fields that it reads.
	Payload Payload `json:"payload"`
}

// Schedule is a schedule as it takes effect. Its runs are delivered as to a subscription.
type Schedule struct {
	Subscription

	Spec string `json:"spec"`
}

// Answer is a query that a plugin answers.
type Answer struct {
	Topic  string  `json:"topic"`
	Plugin string  `json:"plugin"`
	Source string  `json:"source"`
	Query  Payload `json:"query"`
	Answer Payload `json:"answer"`
}

// Payload is a struct that travels as JSON.
type Payload struct {
	Package string  `json:"package"`
	Struct  string  `json:"struct"`
	Schema  *Schema `json:"schema"`
	// Fields are the fields of the struct, in their order.
	Fields []Member `json:"fields"`
}

// Member is a field of a payload: its name in JSON, and where it is declared.
type Member struct {
	Name   string `json:"name"`
	Struct string `json:"struct"`
	Field  string `json:"field"`
}
