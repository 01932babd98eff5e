package conformance_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"plugboard/infra/eventbus/internal/message"
)

// transport carries messages from the publisher to the handlers of subscriptions. There are two transports: package volatile keeps
// messages in this process, and the outbox keeps them in the database.
//
// Subscribe is called before Start, by one goroutine; the other methods may be called concurrently.
type transport interface {
	// Subscribe adds a subscription. It gets each message of its topic.
	Subscribe(s message.Subscription)
	// Start begins to deliver, also the messages that earlier runs have left.
	Start(ctx context.Context) error
	// Publish accepts m. Inside a database transaction, m is delivered after the commit, and not at all after a rollback. Outside a
	// transaction, m is delivered when Publish has returned nil. Publish never waits for handlers.
	Publish(ctx context.Context, m *message.Message) error
	// AwaitIdle waits until no message waits or is handled. It returns ctx's error when ctx is done first. A message that waits for a
	// retry or a delay counts as waiting.
	AwaitIdle(ctx context.Context) error
	// Close stops delivering and waits for running handlers. When ctx is done first, it returns an error that says how many handlers
	// still run. It may be called without Start, twice, and concurrently.
	Close(ctx context.Context) error
}

// makeTransport makes a transport for one case of the suite. The transport is new, not started, shares its messages with nobody, and
// calls hooks. InTx runs a function in a database transaction in which the transport's Publish takes part. makeTransport fails t when it
// cannot make the transport, and cleans up at the end of t. The suite closes the transport.
type makeTransport func(t testing.TB, hooks message.Hooks) (made transport, inTx func(context.Context, func(context.Context) error) error)

// transportCase is one promise of [transport].
type transportCase struct {
	// Name is the promise in words.
	Name string
	// Run fails t when the transport breaks the promise. A run may take some seconds.
	Run func(t testing.TB, newTransport makeTransport)
}

// holds checks a transport against all promises of [transport], in parallel subtests. Every transport must pass it.
func holds(t *testing.T, newTransport makeTransport) {
	t.Helper()
	for _, c := range transportCases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.Run(t, newTransport)
		})
	}
}

// transportCases returns all promises. TestTransportsThatDoNotConform runs each with a transport that breaks it on purpose.
func transportCases() []transportCase {
	return append([]transportCase{
		{"every message is delivered as it was published", deliversAll},
		{"each subscription gets each message once", deliversToEach},
		{"a subscription handles as many messages at a time as its Concurrency", runsConcurrently},
		{"a failed message is tried again after a wait", retries},
		{"a panic or an exit of the goroutine counts as a failure", survivesPanics},
		{"a delivery that fails for good is dead, and Dead is called once", deadLetters},
		{"messages of a key keep their order, retries included", keepsOrder},
		{"other keys go on while one key waits", keysAreIndependent},
		{"after a dead message its key goes on", deadLetsKeyGoOn},
		{"a delayed message waits", delays},
		{"the context of a run that takes too long ends", endsContextsOfLongRuns},
		{"a message is delivered after the commit of its transaction, and not after a rollback", obeysTransactions},
		{"a message published before the start is handled after it", keepsEarlyMessages},
		{"publishing does not wait for handlers", publishesWithoutWaiting},
		{"AwaitIdle waits for running handlers and retries", awaitsIdle},
	}, closingCases()...)
}

// patience is how long the suite waits for an event that should come at once. A busy machine may need long.
const patience = 20 * time.Second

// trial is one run of a case.
type trial struct {
	t         testing.TB
	transport transport
	inTx      func(context.Context, func(context.Context) error) error
	dead      journal
	failed    journal
}

// journal notes what happens, in order, by name.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

func begin(t testing.TB, newTransport makeTransport) *trial {
	t.Helper()
	r := &trial{t: t}
	r.transport, r.inTx = newTransport(t, message.Hooks{
		Failed: func(d *message.Delivery, err error) { r.failed.note(string(d.Payload) + ": " + err.Error()) },
		Dead:   func(d *message.Delivery, err error) { r.dead.note(string(d.Payload) + ": " + err.Error()) },
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		_ = r.transport.Close(ctx) // only the cases of closing check the error
	})
	return r
}

// topic is the topic of the suite's messages.
const topic = "thing.made"

// subscription returns a subscription with a handler. A case changes the field that it tests.
func subscription(name string, handle func(ctx context.Context, d *message.Delivery) error) message.Subscription {
	return message.Subscription{
		Name: name, Topic: topic, Plugin: "conformance.test", Concurrency: 4, Attempts: 4,
		BackoffMin: time.Millisecond, BackoffMax: 4 * time.Millisecond, Timeout: time.Minute, Handle: handle,
	}
}

// start starts the transport with subscriptions.
func (r *trial) start(subscriptions ...message.Subscription) {
	r.t.Helper()
	for _, s := range subscriptions {
		r.transport.Subscribe(s)
	}
	if err := r.transport.Start(r.t.Context()); err != nil {
		r.t.Fatalf("start transport: %v", err)
	}
}

// event returns a message whose payload is a name in JSON.
func event(name, key string) *message.Message {
	return &message.Message{
		Envelope: &message.Envelope{Topic: topic, Emitter: "conformance.test", Payload: []byte(`"` + name + `"`)},
		Key:      key, Time: message.Now(),
	}
}

func nameOf(d *message.Delivery) string { return string(d.Payload[1 : len(d.Payload)-1]) }

func (r *trial) publish(m *message.Message) {
	r.t.Helper()
	if err := r.transport.Publish(r.t.Context(), m); err != nil {
		r.t.Fatalf("publish %s: %v", m.Payload, err)
	}
}

// settle waits until no message waits or is handled.
func (r *trial) settle() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	if err := r.transport.AwaitIdle(ctx); err != nil {
		r.t.Fatalf("wait for messages to be handled: %v", err)
	}
}

// soon waits for a channel to be closed.
func (r *trial) soon(c <-chan struct{}, what string) {
	r.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c:
	case <-timer.C:
		r.t.Fatalf("%s did not happen", what)
	}
}

// never fails the test when c is closed within a moment.
func (r *trial) never(c <-chan struct{}, what string) {
	r.t.Helper()
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-c:
		r.t.Fatalf("%s", what)
	case <-timer.C:
	}
}

// same fails the test unless got and want hold the same lines, in any order.
func (r *trial) same(what string, got, want []string) {
	r.t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		r.t.Fatalf("%s:\n got: %q\nwant: %q", what, got, want)
	}
}

var errTryAgain = errors.New("try again")

// sameMessage names the first difference between the published message and the delivered one. It compares times in whole milliseconds.
func sameMessage(sent *message.Message, got *message.Delivery) string {
	switch {
	case got.ID() != sent.ID():
		return "id"
	case got.Topic != sent.Topic, got.Key != sent.Key:
		return "topic or key"
	case got.Emitter != sent.Emitter, got.Parent != sent.Parent, got.RequestID != sent.RequestID, got.Principal != sent.Principal,
		got.Trace != sent.Trace:
		return "causality"
	case got.Time.UnixMilli() != sent.Time.UnixMilli():
		return "time"
	case !maps.Equal(got.Headers, sent.Headers):
		return "headers"
	case string(got.Payload) != string(sent.Payload):
		return "payload"
	}
	return ""
}
