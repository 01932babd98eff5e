package admin

import "time"

// Subscription describes a durable subscription that the database knows.
type Subscription struct {
	// Name is its name in this build, or else in the last process that had it. Names are its other names, also former ones. The
	// methods of [Admin] accept each of these names.
	Name   string   `json:"name"`
	Names  []string `json:"names,omitempty"`
	Topic  string   `json:"topic"`
	Plugin string   `json:"plugin"`
	// State is "active" or "retired". A retired subscription gets no new events.
	State string `json:"state"`
	// Orphan is true if it is active and this build does not have it under any of its names. Nobody handles its events, unless
	// another version of the service runs.
	Orphan bool `json:"orphan"`
	// SeenAt is when a process last reported that it has the subscription.
	SeenAt time.Time `json:"seen_at"`
	// Pending, Running and Dead count its deliveries.
	Pending int64 `json:"pending"`
	Running int64 `json:"running"`
	Dead    int64 `json:"dead"`
	// RunningSince is when the oldest claim was made; zero without a claim.
	RunningSince time.Time `json:"running_since,omitzero"`
	// Parked counts the pending deliveries that are parked: a version could not read them, and leaves them to other versions. At
	// ParkedUntil the first of them becomes dead; zero without a parked delivery.
	Parked      int64     `json:"parked"`
	ParkedUntil time.Time `json:"parked_until,omitzero"`
	// Oldest is when the oldest unfinished event was published; zero without an unfinished event.
	Oldest time.Time `json:"oldest,omitzero"`
}

// Delivery describes a stored delivery.
type Delivery struct {
	EventID      string `json:"event_id"`
	Topic        string `json:"topic"`
	Key          string `json:"key"`
	Subscription string `json:"subscription"`
	State        string `json:"state"`
	Attempts     int    `json:"attempts"`
	Error        string `json:"error"`
	Emitter      string `json:"emitter"`
	Parent       string `json:"parent"`
	RequestID    string `json:"request_id"`
	// Principal is the ID of who made the request at the beginning of the chain; "" when nobody was known.
	Principal   string            `json:"principal"`
	Headers     map[string]string `json:"headers,omitempty"`
	Payload     string            `json:"payload"`
	PublishedAt time.Time         `json:"published_at"`
	DueAt       time.Time         `json:"due_at"`
	FailedAt    time.Time         `json:"failed_at,omitzero"`
	// ParkedUntil is the time until which a parked delivery is left to other versions; zero for all other deliveries.
	ParkedUntil time.Time `json:"parked_until,omitzero"`

	// storedAs is the name under which the delivery is stored.
	storedAs string
	// parkedAt is the time from which the limit of a parked delivery counts.
	parkedAt time.Time
}

// Filter selects deliveries. An empty field selects all deliveries.
type Filter struct {
	EventID string
	// Subscription is any name of a subscription.
	Subscription string
	Topic        string
	// State is "pending", "running" or "dead".
	State string
	// Limit is the most deliveries returned; 0 means 100.
	Limit int

	// diedBefore leaves out deliveries that died after it, in Unix milliseconds of the database; 0 leaves out none.
	diedBefore int64
	// afterEvent and afterSubscription name a delivery. The list begins with the next delivery after this one.
	afterEvent, afterSubscription string
	// storedAs holds the names under which the deliveries to Subscription are stored.
	storedAs []string
}

// Event describes a stored event. The bus keeps an event at least for the retention, and until every subscription has handled it.
type Event struct {
	ID        string `json:"id"`
	Topic     string `json:"topic"`
	Key       string `json:"key"`
	Emitter   string `json:"emitter"`
	Parent    string `json:"parent"`
	RequestID string `json:"request_id"`
	// Principal is the ID of who made the request at the beginning of the chain; "" when nobody was known.
	Principal string `json:"principal"`
	Trace     string `json:"trace"`
	// Number is the position of the event among the events of its topic and key; 0 without a key. In JSON it is a string, since other
	// programs round large numbers.
	Number      int64             `json:"number,string,omitzero"`
	Headers     map[string]string `json:"headers,omitempty"`
	Payload     string            `json:"payload"`
	PublishedAt time.Time         `json:"published_at"`
	// Deliveries has the deliveries that are not done. Actions has the operators' actions on the event, latest first.
	Deliveries []Delivery `json:"deliveries"`
	Actions    []Action   `json:"actions"`
}

// Schedule describes a durable schedule of this build.
type Schedule struct {
	Name   string `json:"name"`
	Spec   string `json:"spec"`
	Plugin string `json:"plugin"`
	// Next is the next time at which the schedule is due; zero when no process has registered the schedule yet.
	Next time.Time `json:"next,omitzero"`
	// Last is the time at which the last run was due, and EventID is the event of this run; both are empty without a run.
	Last    time.Time `json:"last,omitzero"`
	EventID string    `json:"event_id,omitzero"`
	// State is the state of the last run: "pending", "running", "dead" or "done"; "" without a run.
	State string `json:"state,omitzero"`
	// Asked is when an operator asked for a run that has not begun; zero without such a request.
	Asked time.Time `json:"asked,omitzero"`
}

// Action is the record of an operator's action.
type Action struct {
	At           time.Time `json:"at"`
	Action       string    `json:"action"`
	Actor        string    `json:"actor"`
	EventID      string    `json:"event_id"`
	Subscription string    `json:"subscription"`
	Detail       string    `json:"detail"`
}
