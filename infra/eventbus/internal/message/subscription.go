package message

import (
	"context"
	"time"

	"plugboard/app"
	"plugboard/infra/internal/retry"
)

// Subscription says who handles the messages of a topic, and how.
type Subscription struct {
	// Name identifies the subscription; a durable one also across restarts.
	Name string
	// Formerly are earlier names. The subscription takes over the deliveries stored under them.
	Formerly []string
	// Topic is the topic of the messages.
	Topic string
	// Plugin is the plugin that handles, for logs. Source is the place of the call to Subscribe, as "file:line".
	Plugin, Source string
	// Concurrency is how many deliveries are handled at a time.
	Concurrency int
	// Attempts is how often a delivery is tried.
	Attempts int
	// BackoffMin and BackoffMax bound the wait between attempts.
	BackoffMin, BackoffMax time.Duration
	// Timeout is how long a run may take before its context ends.
	Timeout time.Duration
	// Block has a dead delivery hold up the later ones of its key.
	Block bool
	// Tx runs the handler in the transaction that completes the delivery.
	Tx bool
	// Memory is what handlers reserve from; nil sets no limit.
	Memory app.Memory
	// Handle handles one delivery. After an error the delivery is tried again; after an error marked with app.Permanent, or
	// after the last attempt, it is dead; after [ErrUnreadable] it is left to other versions of the service. Handle is called
	// concurrently.
	Handle func(ctx context.Context, d *Delivery) error
	// Observe is told how long each run took and how it ended, for metrics; it may be nil.
	Observe func(took time.Duration, err error)
	// Complete completes a delivery in the transaction of ctx, for app.Complete; it is nil for a volatile subscription.
	Complete func(ctx context.Context, d *Delivery) error
}

// Backoff returns the wait after the nth failure of a delivery.
func (s *Subscription) Backoff(n int) time.Duration {
	return retry.Backoff(n, s.BackoffMin, s.BackoffMax)
}
