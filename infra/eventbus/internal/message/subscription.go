package message

import (
	"context"
	"time"

	"plugboard/app"
	"plugboard/infra/internal/retry"
)

// Subscription says who handles the messages of a topic, and how.
type Subscription struct {
	// Name identifies the subscription. The name of a durable subscription stays the same across restarts.
	Name string
	// Formerly are earlier names. The subscription gets the deliveries that are stored under these names.
	Formerly []string
	// Topic is the topic of the messages.
	Topic string
	// Plugin is the plugin that subscribed, for logs. Source is the place of the call to Subscribe, as "file:line".
	Plugin, Source string
	// Concurrency is how many deliveries are handled at a time.
	Concurrency int
	// Attempts is how often a delivery is tried.
	Attempts int
	// BackoffMin and BackoffMax bound the wait between attempts.
	BackoffMin, BackoffMax time.Duration
	// Timeout is how long a run may take before its context ends.
	Timeout time.Duration
	// Block is true if the later deliveries of a key wait behind a dead one until an operator replays or discards it.
	Block bool
	// Tx is true if the handler runs in the transaction that completes the delivery.
	Tx bool
	// Memory is the memory from which handlers reserve; nil sets no limit.
	Memory app.Memory
	// Handle handles one delivery. After an error the delivery is tried again. After an error marked with app.Permanent, or after
	// the last attempt, the delivery is dead. After [ErrUnreadable] it is left to other versions of the service. Handle is called
	// concurrently.
	Handle func(ctx context.Context, d *Delivery) error
	// Observe is called after each run with its duration and its error, for metrics; it may be nil.
	Observe func(took time.Duration, err error)
	// Complete completes a delivery in the transaction of ctx, for app.Complete; nil for a volatile subscription.
	Complete func(ctx context.Context, d *Delivery) error
}

// Backoff returns the wait after the nth failure of a delivery.
func (s *Subscription) Backoff(n int) time.Duration {
	return retry.Backoff(n, s.BackoffMin, s.BackoffMax)
}
