package message

import "time"

// Hooks are called when something happens to deliveries, for metrics and logs. Each may be nil. They are called concurrently.
type Hooks struct {
	// Failed is called after each run of a handler that failed.
	Failed func(d *Delivery, err error)
	// Dead is called when a delivery will not be tried again.
	Dead func(d *Delivery, err error)
	// Overdue is called when a run has not returned soon after its context ended, and again at growing intervals.
	Overdue func(d *Delivery, took time.Duration)
	// Dropped is called when a volatile subscription had no room for a message.
	Dropped func(subscription string)
}
