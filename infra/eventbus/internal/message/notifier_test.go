package message

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// Nothing here leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestThoseWhoWaitLookAgainWhenTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n Notifier
		var done atomic.Bool
		var looks, ended atomic.Int64
		for range 3 {
			go func() {
				_ = n.Await(t.Context(), 0, func() (bool, error) { looks.Add(1); return done.Load(), nil })
				ended.Add(1)
			}()
		}
		synctest.Wait()
		require.EqualValues(t, 3, looks.Load())
		n.Tell()
		synctest.Wait()
		require.EqualValues(t, 6, looks.Load())
		require.Zero(t, ended.Load())
		done.Store(true)
		n.Tell()
		synctest.Wait()
		require.EqualValues(t, 3, ended.Load())
		n.Tell() // nobody waits
	})
}

func TestAWaitEndsWithItsContextOrAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n Notifier
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		looks := 0
		err := n.Await(ctx, 25*time.Second, func() (bool, error) { looks++; return false, nil })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3, looks, "at once, and each poll")
		broken := errors.New("broken")
		require.ErrorIs(t, n.Await(t.Context(), 0, func() (bool, error) { return false, broken }), broken)
	})
}

func TestRepeatWaitsAsLongAsItIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
		defer cancel()
		began := time.Now()
		var at []time.Duration
		Repeat(ctx, func() time.Duration {
			at = append(at, time.Since(began))
			return time.Duration(len(at)) * 10 * time.Second
		})
		require.Equal(t, []time.Duration{0, 10 * time.Second, 30 * time.Second}, at)
		require.Equal(t, 50*time.Second, time.Since(began))
	})
}
