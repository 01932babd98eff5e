package outbox

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app/apptest/emptydb"
	"plugboard/config"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// settings returns the settings of the outboxes in these tests.
func settings() config.Events {
	return config.Events{Buffer: 16, Lease: 1200 * time.Millisecond, Poll: 20 * time.Millisecond, Retention: time.Hour, Memory: 64 << 20}
}

// outboxOn returns an outbox on a new SQLite database, with one subscription of topic t, and its queue.
func outboxOn(t *testing.T, handle func(context.Context, *message.Delivery) error) (*Outbox, *queue) {
	t.Helper()
	return outboxWith(t, settings(), message.Hooks{}, handle)
}

func outboxWith(t *testing.T, cfg config.Events, hooks message.Hooks, handle func(context.Context, *message.Delivery) error) (*Outbox, *queue) {
	t.Helper()
	db := emptydb.Open(t, emptydb.SQLite(t), store.Migrations())
	o := New(cfg, db, zap.NewNop(), hooks)
	o.Subscribe(message.Subscription{Name: "s", Topic: "t", Concurrency: 1, Attempts: 1, Timeout: time.Minute, Handle: handle})
	require.NoError(t, o.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, o.Close(context.Background())) })
	return o, o.queues.all[0]
}

func requireIdle(t *testing.T, o *Outbox) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, o.AwaitIdle(ctx))
}

// When the consumer had lost a delivery, the process kept the claim for ever, since it believed that it was working on the delivery. This
// test makes a consumer lose its deliveries.
func TestAClaimWithoutARunIsGivenBackAndCounted(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan struct{}, 3), make(chan struct{})
	o, q := outboxOn(t, func(context.Context, *message.Delivery) error {
		begun <- struct{}{}
		<-goOn
		return nil
	})
	for range 3 {
		require.NoError(t, o.Publish(t.Context(), &message.Message{Envelope: &message.Envelope{Topic: "t", Payload: []byte("{}")}, Key: "k", Time: message.Now()}))
	}
	<-begun
	q.Recall()
	close(goOn)
	requireIdle(t, o)
	require.Len(t, begun, 2)
	require.EqualValues(t, 2, q.backlog.found.Load())
}

// When a number of a key never comes, the consumer counts the key as busy, and the claimer does not claim the key any more.
func TestAKeyThatWaitsForANumberThatNobodyBringsIsGivenUp(t *testing.T) {
	t.Parallel()
	handled := make(chan struct{}, 1)
	o, q := outboxOn(t, func(context.Context, *message.Delivery) error {
		handled <- struct{}{}
		return nil
	})
	require.NotNil(t, q.Adopt("k", 1, 1))
	require.NoError(t, o.Publish(t.Context(), &message.Message{Envelope: &message.Envelope{Topic: "t", Payload: []byte("{}")}, Key: "k", Time: message.Now()}))
	requireIdle(t, o)
	require.Len(t, handled, 1)
}
