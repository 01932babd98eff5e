package consumer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"plugboard/infra/eventbus/internal/message"

	"github.com/stretchr/testify/require"
)

// When the handlers of a subscription never returned, it stood still, and no log or metric showed it.
func TestARunThatNeverReturnsIsToldOnceAndThenRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		goOn := make(chan struct{})
		o := &owner{run: func(context.Context, *Item) error { <-goOn; return nil }}
		c := New(&message.Subscription{Name: "s", Concurrency: 2, Timeout: 10 * time.Second}, o, Options{Capacity: 16})
		c.Start(ctx)
		push(t, c, "", "", "")
		var told []time.Duration
		report := func(d *message.Delivery, took time.Duration) {
			require.NotNil(t, d)
			told = append(told, took.Round(10*time.Second))
		}
		for range 10 * 60 {
			<-time.After(time.Second)
			c.EndOverdue(report)
		}
		late := c.Late()
		close(goOn)
		synctest.Wait()
		require.Equal(t, []time.Duration{10, 10, 70, 70, 140, 140, 290, 290, 580, 580}, seconds(told), "of two runs: the third delivery waits")
		require.EqualValues(t, 2, late)
		told = nil
		c.EndOverdue(report)
		require.Empty(t, told)
		require.Zero(t, c.Late())
		c.Close()
		require.NoError(t, c.Wait(ctx))
	})
}

// seconds returns whole seconds.
func seconds(all []time.Duration) []time.Duration {
	for i := range all {
		all[i] /= time.Second
	}
	return all
}
