package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app/apptest"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox"
	"plugboard/infra/eventbus/internal/outbox/store"
	"plugboard/infra/eventbus/internal/volatile"
)

// transportDB is an open database with the bus's tables.
func transportDB(t testing.TB, d apptest.Database) *database.DB {
	t.Helper()
	settings := config.Default().Database
	settings.URL = d.URL
	db, err := database.New(settings, zap.NewNop())
	require.NoError(t, err)
	ctx := context.WithoutCancel(t.Context())
	require.NoError(t, db.Open(ctx))
	t.Cleanup(func() { require.NoError(t, db.Close(ctx)) })
	require.NoError(t, db.Migrate(ctx, []database.MigrationSet{store.Migrations()}))
	return db
}

func makeVolatile(t testing.TB, hooks message.Hooks) (transport, func(context.Context, func(context.Context) error) error) {
	db := transportDB(t, apptest.SQLite(t))
	return volatile.New(1024, hooks), db.InTx
}

// makeOutbox makes outboxes with few places in memory, so that the suite also delivers messages from the database.
func makeOutbox(empty func(testing.TB) apptest.Database) makeTransport {
	return func(t testing.TB, hooks message.Hooks) (transport, func(context.Context, func(context.Context) error) error) {
		cfg := config.Default().Events
		cfg.Buffer, cfg.Poll = 16, 20*time.Millisecond
		db := transportDB(t, empty(t))
		return outbox.New(cfg, db, zap.NewNop(), hooks), db.InTx
	}
}

func TestVolatileConforms(t *testing.T) {
	t.Parallel()
	holds(t, makeVolatile)
}

func TestOutboxConforms(t *testing.T) {
	t.Parallel()
	for name, empty := range map[string]func(testing.TB) apptest.Database{"sqlite": apptest.SQLite, "postgres": apptest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holds(t, makeOutbox(empty))
		})
	}
}

// wrong is a transport that breaks one promise.
type wrong struct {
	transport
	subscribe func(s message.Subscription) (message.Subscription, bool)
	publish   func(ctx context.Context, m *message.Message) error
	close     func(ctx context.Context) error
}

func (w *wrong) Subscribe(s message.Subscription) {
	if w.subscribe != nil {
		changed, ok := w.subscribe(s)
		if !ok {
			return
		}
		s = changed
	}
	w.transport.Subscribe(s)
}

func (w *wrong) Publish(ctx context.Context, m *message.Message) error {
	if w.publish != nil {
		return w.publish(ctx, m)
	}
	return w.transport.Publish(ctx, m)
}

func (w *wrong) Close(ctx context.Context) error {
	if w.close != nil {
		return w.close(ctx)
	}
	return w.transport.Close(ctx)
}

// For each promise, a transport that breaks it fails the case of this promise.
func TestTransportsThatDoNotConform(t *testing.T) {
	t.Parallel()
	changed := func(change func(s *message.Subscription)) func(w *wrong) {
		return func(w *wrong) {
			w.subscribe = func(s message.Subscription) (message.Subscription, bool) {
				change(&s)
				return s, true
			}
		}
	}
	breaks := map[string]func(w *wrong){
		"every message is delivered as it was published": func(w *wrong) {
			w.publish = func(ctx context.Context, m *message.Message) error {
				if m.Headers["n"] == "8" {
					return nil
				}
				return w.transport.Publish(ctx, m)
			}
		},
		"each subscription gets each message once": func(w *wrong) {
			first := true
			w.subscribe = func(s message.Subscription) (message.Subscription, bool) {
				defer func() { first = false }()
				return s, first
			}
		},
		"a subscription handles as many messages at a time as its Concurrency": changed(func(s *message.Subscription) { s.Concurrency = 10 }),
		"a failed message is tried again after a wait":                         changed(func(s *message.Subscription) { s.BackoffMin, s.BackoffMax = time.Millisecond, time.Millisecond }),
		"a panic or an exit of the goroutine counts as a failure":              changed(func(s *message.Subscription) { s.Attempts = 1 }),
		"a delivery that fails for good is dead, and Dead is called once":      changed(func(s *message.Subscription) { s.Attempts = 5 }),
		"messages of a key keep their order, retries included": func(w *wrong) {
			w.publish = func(ctx context.Context, m *message.Message) error {
				return w.transport.Publish(ctx, &message.Message{Envelope: m.Envelope, Time: m.Time})
			}
		},
		"other keys go on while one key waits": changed(func(s *message.Subscription) { s.Concurrency = 1 }),
		"after a dead message its key goes on": changed(func(s *message.Subscription) {
			handle := s.Handle
			s.Handle = func(ctx context.Context, d *message.Delivery) error {
				if err := handle(ctx, d); err != nil {
					return errors.New("any error") // not permanent
				}
				return nil
			}
		}),
		"a delayed message waits": func(w *wrong) {
			w.publish = func(ctx context.Context, m *message.Message) error {
				m.Delay = 0
				return w.transport.Publish(ctx, m)
			}
		},
		"the context of a run that takes too long ends": changed(func(s *message.Subscription) { s.Timeout = time.Hour }),
		"a message is delivered after the commit of its transaction, and not after a rollback": func(w *wrong) {
			w.publish = func(ctx context.Context, m *message.Message) error {
				return w.transport.Publish(database.WithoutTx(ctx), m)
			}
		},
		"a message published before the start is handled after it": func(w *wrong) {
			w.publish = func(ctx context.Context, m *message.Message) error {
				if string(m.Payload) == `"early"` {
					return nil
				}
				return w.transport.Publish(ctx, m)
			}
		},
		"close waits for running handlers, and none runs after it": func(w *wrong) {
			w.close = func(ctx context.Context) error {
				if _, limited := ctx.Deadline(); limited {
					return w.transport.Close(ctx)
				}
				return nil
			}
		},
		"close returns an error when its time is over": func(w *wrong) {
			w.close = func(ctx context.Context) error {
				_ = w.transport.Close(ctx)
				return nil
			}
		},
		"a message published after close runs no handler": func(w *wrong) {
			w.close = func(context.Context) error { return nil }
		},
	}
	for _, c := range transportCases() {
		change, ok := breaks[c.Name]
		if !ok {
			continue
		}
		delete(breaks, c.Name)
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			found := failures(t, func(tb testing.TB) {
				c.Run(tb, func(tb testing.TB, hooks message.Hooks) (transport, func(context.Context, func(context.Context) error) error) {
					volatile, inTx := makeVolatile(tb, hooks)
					tb.Cleanup(func() { _ = volatile.Close(context.WithoutCancel(tb.Context())) }) // it may not pass on its Close
					w := &wrong{transport: volatile}
					change(w)
					return w, inTx
				})
			})
			require.NotEmpty(t, found)
		})
	}
	require.Empty(t, breaks, "no such cases")
}

// failing is a testing.TB that notes failures instead of failing.
type failing struct {
	testing.TB
	failures []string
}

type stop struct{}

func (f *failing) Errorf(format string, args ...any) {
	f.failures = append(f.failures, fmt.Sprintf(format, args...))
}

func (f *failing) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(stop{})
}

func (*failing) Helper() {}

// failures returns the failures of check, which ends at the first fatal one.
func failures(t *testing.T, check func(t testing.TB)) []string {
	t.Helper()
	f := &failing{TB: t}
	func() {
		defer func() {
			if v := recover(); v != nil && v != any(stop{}) {
				panic(v)
			}
		}()
		check(f)
	}()
	return f.failures
}
