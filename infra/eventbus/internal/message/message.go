// Package message is the vocabulary of the event bus.
//
// It has the types that several packages of the bus need: [Message], [Delivery], [Subscription], [Hooks], the errors that decide on
// the outcome of a run, and two helpers that wait, [Notifier] and [Repeat]. It imports only app and retry, does no input or output,
// and starts no goroutine. Nobody changes a message or a subscription that is in use, so any number of goroutines may read it. A
// delivery is used by one goroutine at a time.
package message

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Message is a published event. It does not change once it is published.
type Message struct {
	// Envelope may belong to several messages, so nobody changes it.
	*Envelope
	// Key orders the messages of a topic: messages with the same key are handled in order. A message with key "" has no order.
	Key string
	// Time is when the message was published, in UTC and in whole milliseconds, as the database keeps it.
	Time time.Time

	id atomic.Pointer[string]
	// Local is the published struct, or a pointer to a snapshot of it; nil when the message was read from storage.
	Local any
}

// Envelope holds the fields that are the same for many messages of one publisher.
type Envelope struct {
	// Topic is the topic of the event.
	Topic string
	// Emitter is the publishing plugin. Parent is the id of the event that caused this event.
	Emitter, Parent string
	// RequestID and Trace belong to the request that began the chain of events.
	RequestID, Trace string
	// Principal is the ID of the principal who made this request; "" when this is not known.
	Principal string
	// Headers are the headers that the publisher set.
	Headers map[string]string
	// Delay is the wait between the publication and the first run of a handler.
	Delay time.Duration
	// Payload is the event as JSON; empty when only volatile subscriptions get the event.
	Payload []byte

	// Fault says why no handler can get the stored event; nil if the event is in order.
	Fault error
}

// Now returns the time for a message that is published now, in UTC and in whole milliseconds, as the database keeps it.
func Now() time.Time { return time.UnixMilli(time.Now().UnixMilli()).UTC() }

// ID returns the message's id, a UUIDv7. The first call makes the id, since nobody asks for the ids of most volatile messages.
func (m *Message) ID() string {
	if id := m.id.Load(); id != nil {
		return *id
	}
	id := uuid.Must(uuid.NewV7FromReader(random{})).String()
	m.id.CompareAndSwap(nil, &id)
	return *m.id.Load()
}

// SetID sets the id of a message that was read from storage.
func (m *Message) SetID(id string) { m.id.Store(&id) }

// random reads from math/rand. Ids must differ but need not be secret, and crypto/rand would cost a system call for each id.
type random struct{}

func (random) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], rand.Uint64())
		copy(p[i:], word[:])
	}
	return len(p), nil
}

// overhead estimates how many bytes a delivery holds beside its payload.
const overhead = 512

// Size estimates how many bytes a delivery of m holds: the stored payload, and the struct that the handler gets.
func (m *Message) Size() int64 { return overhead + 2*int64(len(m.Payload)) }
