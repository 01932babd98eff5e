package eventbus

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"plugboard/app"
)

// Transport carries messages from the publisher to the handlers of groups. There are two: [Memory], which
// keeps them in this process, and [Outbox], which keeps them in the database; a broker would be a third.
// The conformance suite in app/apptest says what each must do.
//
// Subscribe is called before Start, by one goroutine; the other methods may be called concurrently.
type Transport interface {
	// Subscribe adds a group. Each message of the group's topic is handed to each group.
	Subscribe(g Group)
	// Start begins handing over. It returns when what was left from earlier runs will be resumed.
	Start(ctx context.Context) error
	// Publish accepts m. Inside a database transaction m counts from its commit and is gone with its
	// rollback; outside one it counts when Publish returns nil. Publish never waits for handlers.
	Publish(ctx context.Context, m *Message) error
	// Idle returns nil as soon as no message is waiting or being handled, retries and delays included,
	// or ctx's error.
	Idle(ctx context.Context) error
	// Close stops handing over and waits until running handlers have ended or ctx is done; it then
	// returns an error that says how many were left. It may be called without Start, twice, and
	// concurrently.
	Close(ctx context.Context) error
}

// Group is a set of handlers that share the messages of a topic: each message goes to one of them.
type Group struct {
	// Name identifies the group; for a durable transport, across restarts.
	Name string
	// Formerly are earlier names, whose messages this group takes over.
	Formerly []string
	// Topic is the topic handled.
	Topic string
	// Plugin is the plugin that handles, for logs, and Source where it subscribed, as "file:line".
	Plugin, Source string
	// Concurrency is how many messages are handled at a time.
	Concurrency int
	// Attempts is how often a message is tried.
	Attempts int
	// BackoffMin and BackoffMax bound the wait between attempts.
	BackoffMin, BackoffMax time.Duration
	// Timeout ends the handler's context.
	Timeout time.Duration
	// Block has a dead message hold up the later ones of its key.
	Block bool
	// Tx runs the handler in the transaction that completes the delivery.
	Tx bool
	// Memory is what handlers reserve from; nil is without bounds.
	Memory app.Memory
	// Handle handles one delivery. An error has it retried, one marked with app.Permanent or the last
	// one makes it dead, [ErrUnreadable] leaves it to other versions. It is called concurrently.
	Handle func(ctx context.Context, d *Incoming) error
	// Observe is told of n runs how long each took and how it ended, for metrics; it may be nil.
	Observe func(n int, took time.Duration, err error)
}

// ErrUnreadable is wrapped by a handler's error when the payload cannot be read by this version.
var ErrUnreadable = errors.New("unreadable payload")

// Message is an event on its way.
type Message struct {
	// Envelope is shared by messages that have it in common, so that it is not changed.
	*Envelope
	// Key orders the messages of a topic, "" does not.
	Key string
	// Time is when the message was published.
	Time Timestamp

	id atomic.Pointer[string]
	// local is the published struct, or a pointer to a snapshot of it; nil when the message was read from storage.
	local any
	// first is the delivery to the first group: most messages have one, and share its allocation.
	first Incoming
}

// Envelope is what many messages of one publisher have in common.
type Envelope struct {
	// Topic is the event's topic.
	Topic string
	// Emitter is the publishing plugin, Parent the id of the event that caused this one.
	Emitter, Parent string
	// RequestID and Trace belong to the request at the beginning of the chain.
	RequestID, Trace string
	// PrincipalKind and PrincipalID say who caused the event; "" when nobody is known.
	PrincipalKind, PrincipalID string
	// Headers are the publisher's.
	Headers map[string]string
	// Delay is how long to wait before the message is handed over.
	Delay time.Duration
	// Payload is the event as JSON; empty when no durable group needs it.
	Payload []byte

	// fault says why what is stored of the event cannot be handed over; nil when it can.
	fault error
}

// ID returns the message's id, a UUIDv7. It is made when it is first asked for: most volatile messages
// are never asked.
func (m *Message) ID() string {
	if id := m.id.Load(); id != nil {
		return *id
	}
	id := uuid.Must(uuid.NewV7FromReader(random{})).String()
	m.id.CompareAndSwap(nil, &id)
	return *m.id.Load()
}

// random reads from math/rand: ids must differ, not be secret, and the system's generator costs a system call each.
type random struct{}

func (random) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], rand.Uint64())
		copy(p[i:], word[:])
	}
	return len(p), nil
}

// incoming returns a new delivery of m to l. The first is part of m. It is not for concurrent use.
func (m *Message) incoming(l *lane, attempt int) *Incoming {
	d := &m.first
	if d.Message != nil {
		d = &Incoming{}
	}
	d.Message, d.lane, d.Attempt = m, l, attempt
	return d
}

// Timestamp is a time in nanoseconds since 1970.
type Timestamp int64

// Now returns the time.
func Now() Timestamp { return Timestamp(time.Now().UnixNano()) }

// watch tells the time by the monotonic clock, which costs half as much as the time of day.
type watch struct {
	made time.Time
	// offset is from the monotonic clock to the time of day.
	offset atomic.Int64
}

func (w *watch) now() Timestamp { return Timestamp(w.offset.Load() + int64(time.Since(w.made))) }

// set follows the time of day.
func (w *watch) set() {
	now := time.Now()
	w.offset.Store(now.UnixNano() - int64(now.Sub(w.made)))
}

// whole returns t without what is less than a millisecond, as it is stored.
func (t Timestamp) whole() Timestamp { return t - t%1e6 }

// UnixMilli returns t in milliseconds since 1970.
func (t Timestamp) UnixMilli() int64 { return int64(t) / 1e6 }

// UTC returns t as a time.
func (t Timestamp) UTC() time.Time { return time.Unix(0, int64(t)).UTC() }

// Incoming is a message being handed to a group.
type Incoming struct {
	*Message
	// Attempt counts from 1.
	Attempt int
	// used tells that ctx is the context of an earlier run.
	used bool
	// completed tells that the handler's transaction has completed the delivery.
	completed bool
	// ends is how many processes ended, one after the other, that had claimed the delivery, and alone in how many of
	// them it had been begun as a suspect.
	ends, alone int16

	lane  *lane
	seq   int64
	token int64
	// order is the state of the key that this delivery was numbered under.
	order *keyState
	// ctx is the context of the first run.
	ctx app.DeliveryContext
}

// Subscription is the group's name.
func (d *Incoming) Subscription() string { return d.lane.group.Name }

func (d *Incoming) storedAs() string { return d.lane.storedAs() }
