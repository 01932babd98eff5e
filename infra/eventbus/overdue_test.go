package eventbus

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A subscription whose handlers never returned stood still without a word.
func TestARunThatNeverReturnsIsToldOnceAndThenRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		goOn := make(chan struct{})
		handle := func(context.Context, *Incoming) error { <-goOn; return nil }
		l := newLane(Group{Name: "s", Concurrency: 2, Timeout: 10 * time.Second, Handle: handle}, 16, func(*Incoming, error) bool { return true })
		l.start(ctx)
		pause(ctx, time.Second) // what begins in the lane's first instant is not watched
		for range 3 {
			require.True(t, l.reserve())
			require.True(t, l.push((&Message{Envelope: &Envelope{}}).incoming(l, 1)))
		}
		var told []time.Duration
		for range 10 * 60 {
			pause(ctx, time.Second)
			for _, r := range l.overdue() {
				require.NotNil(t, r.d)
				told = append(told, r.took.Round(10*time.Second))
			}
		}
		late := l.late.Load()
		close(goOn)
		synctest.Wait()
		require.Equal(t, []time.Duration{10, 10, 70, 70, 140, 140, 290, 290, 580, 580}, seconds(told), "of two runs: the third delivery waits")
		require.EqualValues(t, 2, late)
		require.Empty(t, l.overdue())
		require.Zero(t, l.late.Load())
		l.close()
		require.NoError(t, l.wait(ctx))
	})
}

// seconds returns whole seconds.
func seconds(all []time.Duration) []time.Duration {
	for i := range all {
		all[i] /= time.Second
	}
	return all
}
