package eventbus_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/eventbus"
)

// mails is a plugin with a subscription to notes named mail, which hears of each note it gets.
func mails(to *seen[int64]) func(*app.Boot) {
	return subscribes(app.On(func(_ context.Context, e Note) error { to.add(e.ID); return nil }), app.Named("mail"))
}

// TestATransportTakesNothingOverFromItself holds for groups that no plugin's check has seen.
func TestATransportTakesNothingOverFromItself(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		r := start(t, at, settings(), publishes(Note{}), mails(&seen[int64]{}))
		r.publish(Note{ID: 7}, app.Delay(time.Hour))
		r.stop()
		outbox := eventbus.NewOutbox(settings(), r.db, zap.NewNop(), eventbus.Hooks{})
		outbox.Subscribe(eventbus.Group{
			Name: "mail", Formerly: []string{"mail"}, Topic: "note.taken", Concurrency: 1, Attempts: 1, Timeout: time.Minute,
			Handle: func(context.Context, *eventbus.Incoming) error { return nil },
		})
		require.NoError(t, outbox.Start(t.Context()))
		require.NoError(t, outbox.Close(t.Context()))
		left, err := r.bus.Admin("x").Deliveries(t.Context(), eventbus.Filter{Subscription: "mail"})
		require.NoError(t, err)
		require.Len(t, left, 1)
	})
}
