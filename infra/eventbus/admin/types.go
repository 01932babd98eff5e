package admin

import "time"

// Subscription describes a durable subscription as the database knows it.
type Subscription struct {
	// Name is what this build calls it, else what the last process that had it did. Names are its other names, also former ones.
	// Each of them can be given where a subscription is asked for.
	Name   string   `json:"name"`
	Names  []string `json:"names,omitempty"`
	Topic  string   `json:"topic"`
	Plugin string   `json:"plugin"`
	// State is "active" or "retired". A retired subscription gets no new events.
	State string `json:"state"`
	// Orphan tells that it is active and this build has it under none of its names. Nobody handles its events, unless another
	// version of the service runs.
	Orphan bool `json:"orphan"`
	// SeenAt is when a process last had it.
	SeenAt time.Time `json:"seen_at"`
	// Pending, Running and Dead count its deliveries.
	Pending int64 `json:"pending"`
	Running int64 `json:"running"`
	Dead    int64 `json:"dead"`
	// RunningSince is when the oldest claim was made that a process still holds; zero without one.
	RunningSince time.Time `json:"running_since,omitzero"`
	// Parked counts the pending deliveries that are parked: a version could not read them and leaves them to others. At ParkedUntil
	// the first of them is dead; zero without one.
	Parked      int64     `json:"parked"`
	ParkedUntil time.Time `json:"parked_until,omitzero"`
	// Oldest is when the oldest unfinished event was published; zero without one.
	Oldest time.Time `json:"oldest,omitzero"`
}

// Delivery describes a stored delivery.
type Delivery struct {
	EventID      string            `json:"event_id"`
	Topic        string            `json:"topic"`
	Key          string            `json:"key"`
	Subscription string            `json:"subscription"`
	State        string            `json:"state"`
	Attempts     int               `json:"attempts"`
	Error        string            `json:"error"`
	Emitter      string            `json:"emitter"`
	Parent       string            `json:"parent"`
	RequestID    string            `json:"request_id"`
	Headers      map[string]string `json:"headers,omitempty"`
	Payload      string            `json:"payload"`
	PublishedAt  time.Time         `json:"published_at"`
	DueAt        time.Time         `json:"due_at"`
	FailedAt     time.Time         `json:"failed_at,omitzero"`
	// ParkedUntil is until when a parked delivery is left to other versions; zero for all others.
	ParkedUntil time.Time `json:"parked_until,omitzero"`

	// storedAs is the name under which it is stored.
	storedAs string
	// parkedAt is when a version first could not read it.
	parkedAt time.Time
}

// Filter selects deliveries. Empty fields select all.
type Filter struct {
	EventID string
	// Subscription is any of the names of one.
	Subscription string
	Topic        string
	// State is "pending", "running" or "dead".
	State string
	// Limit is the most deliveries returned; 0 means 100.
	Limit int

	// diedBefore leaves out deliveries that died later, in Unix milliseconds of the database; 0 leaves out none.
	diedBefore int64
	// afterEvent and afterSubscription leave out deliveries up to that one, in the order of the list.
	afterEvent, afterSubscription string
	// storedAs holds the names under which the deliveries to Subscription are stored.
	storedAs []string
}

// Event describes a stored event. It is kept for the retention after every subscription has handled it.
type Event struct {
	ID        string `json:"id"`
	Topic     string `json:"topic"`
	Key       string `json:"key"`
	Emitter   string `json:"emitter"`
	Parent    string `json:"parent"`
	RequestID string `json:"request_id"`
	Trace     string `json:"trace"`
	// Number is its place among the events of its topic and key; 0 without a key. It is a string in JSON, since other programs
	// round large numbers.
	Number      int64             `json:"number,string,omitzero"`
	Headers     map[string]string `json:"headers,omitempty"`
	Payload     string            `json:"payload"`
	PublishedAt time.Time         `json:"published_at"`
	// Deliveries are those that are not done. Actions are what operators did, latest first.
	Deliveries []Delivery `json:"deliveries"`
	Actions    []Action   `json:"actions"`
}

// Schedule describes a durable schedule of this build.
type Schedule struct {
	Name   string `json:"name"`
	Spec   string `json:"spec"`
	Plugin string `json:"plugin"`
	// Next is the next time it is due; zero when no process has registered it yet.
	Next time.Time `json:"next,omitzero"`
	// Last is when the last run was due, and EventID is that run's event; both are empty without one.
	Last    time.Time `json:"last,omitzero"`
	EventID string    `json:"event_id,omitzero"`
	// State is the state of the last run: "pending", "running", "dead" or "done"; "" without one.
	State string `json:"state,omitzero"`
	// Asked is when an operator asked for a run that has not begun; zero when nobody did.
	Asked time.Time `json:"asked,omitzero"`
}

// Action is what an operator did, as it was recorded.
type Action struct {
	At           time.Time `json:"at"`
	Action       string    `json:"action"`
	Actor        string    `json:"actor"`
	EventID      string    `json:"event_id"`
	Subscription string    `json:"subscription"`
	Detail       string    `json:"detail"`
}
