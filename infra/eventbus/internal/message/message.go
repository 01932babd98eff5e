// Package message is the vocabulary of the event bus.
//
// It has the types that more than one of the bus's rooms needs: [Message], [Delivery], [Subscription], [Hooks], the outcomes of
// runs, and small things that wait. It imports app and retry alone, does no input or output, and starts no goroutine. A message and a
// subscription do not change once they are in use, so that any number of goroutines may read them; of a delivery one goroutine at a
// time has the use.
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
	// Envelope may be shared by several messages, so nobody changes it.
	*Envelope
	// Key orders the messages of a topic; "" leaves them without order.
	Key string
	// Time is when the message was published, in UTC, in whole milliseconds as the database keeps it.
	Time time.Time

	id atomic.Pointer[string]
	// Local is the published struct, or a pointer to a snapshot of it; nil when the message was read from storage.
	Local any
}

// Envelope is the part of a message that many messages of one publisher share.
type Envelope struct {
	// Topic is the event's topic.
	Topic string
	// Emitter is the publishing plugin. Parent is the id of the event that caused this one.
	Emitter, Parent string
	// RequestID and Trace belong to the request at the beginning of the chain.
	RequestID, Trace string
	// PrincipalKind and PrincipalID say who caused the event; "" when nobody is known.
	PrincipalKind, PrincipalID string
	// Headers are the publisher's.
	Headers map[string]string
	// Delay is how long to wait before the message is handed over.
	Delay time.Duration
	// Payload is the event as JSON; empty when only volatile subscriptions take it.
	Payload []byte

	// Fault says why the stored event cannot be handed over; nil when it can.
	Fault error
}

// Now returns the time for a message that is published now: in UTC and whole milliseconds, as the database keeps it.
func Now() time.Time { return time.UnixMilli(time.Now().UnixMilli()).UTC() }

// ID returns the message's id, a UUIDv7. The first call makes it, since nobody asks for the ids of most volatile messages.
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

// random reads from math/rand. Ids must differ but need not be secret, and crypto/rand costs a system call for each.
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

// Size estimates how many bytes a delivery of m holds: the payload as stored, and the handler's struct made of it.
func (m *Message) Size() int64 { return overhead + 2*int64(len(m.Payload)) }
