package outbox

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"plugboard/infra/eventbus/internal/message"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/jackc/pgx/v5/pgxpool.(*Pool).backgroundHealthCheck"))
}

// A single delivery with a key did not fit the memory that events may use. The claimer undid the claim and did not make the consumer
// forget the key. So the key stood still until GiveUpStuck, half a lease later at the earliest.
func TestAKeyGoesOnWhenItsDeliveryDidNotFitTheMemory(t *testing.T) {
	t.Parallel()
	cfg := settings()
	cfg.Lease, cfg.Memory = time.Hour, 600 // room for one
	handled, goOn := make(chan string, 2), make(chan struct{})
	o, _ := outboxWith(t, cfg, message.Hooks{}, func(_ context.Context, d *message.Delivery) error {
		if d.Key == "" {
			<-goOn
		}
		handled <- d.Key
		return nil
	})
	publish := func(key string) {
		require.NoError(t, o.Publish(t.Context(), &message.Message{Envelope: &message.Envelope{Topic: "t", Payload: []byte("{}")}, Key: key, Time: message.Now()}))
	}
	publish("")
	publish("k")
	require.Eventually(t, func() bool { return o.Stats().Refused >= 2 }, 30*time.Second, time.Millisecond, "by the publisher, and by a poll")
	close(goOn)
	requireIdle(t, o)
	require.Empty(t, <-handled)
	require.Equal(t, "k", <-handled)
}

// The last attempt of a delivery failed here after another process had taken the delivery over. The log, the metrics and volatile
// subscribers then said that it was dead.
func TestADeliveryOfAnotherProcessIsNotToldAsDead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statement string
		dead      int64
	}{
		"still ours":            {"SELECT 1", 1},
		"taken over":            {"UPDATE bus_deliveries SET token = token + 1", 0},
		"dead by a lost answer": {"UPDATE bus_deliveries SET state = 'dead'", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var dead atomic.Int64
			var o *Outbox
			ready := make(chan struct{})
			hooks := message.Hooks{Dead: func(*message.Delivery, error) { dead.Add(1) }}
			o, q := outboxWith(t, settings(), hooks, func(ctx context.Context, _ *message.Delivery) error {
				<-ready
				_, err := o.store.Exec(ctx, c.statement)
				return errors.Join(errors.New("no"), err)
			})
			close(ready)
			require.NoError(t, o.Publish(t.Context(), &message.Message{Envelope: &message.Envelope{Topic: "t", Payload: []byte("{}")}, Time: message.Now()}))
			require.Eventually(t, q.Quiet, 30*time.Second, time.Millisecond)
			require.NoError(t, o.Close(t.Context()))
			require.Equal(t, c.dead, dead.Load())
		})
	}
}
