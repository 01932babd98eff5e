package consumer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/eventbus/internal/message"
)

func TestWorkersKeepTheOrderOfKeysAndTheBoundOfTheSubscription(t *testing.T) {
	t.Parallel()
	const each = 100
	keys := []string{"a", "b", "c", ""}
	var mu sync.Mutex
	got := make(map[string][]string)
	var atOnce, most atomic.Int64
	running := make(map[string]int)
	o := &owner{run: func(_ context.Context, d *Item) error {
		most.Store(max(most.Load(), atOnce.Add(1)))
		defer atOnce.Add(-1)
		mu.Lock()
		running[d.Key]++
		wrong := d.Key != "" && running[d.Key] > 1
		got[d.Key] = append(got[d.Key], name(d))
		mu.Unlock()
		runtime.Gosched()
		mu.Lock()
		running[d.Key]--
		mu.Unlock()
		if wrong {
			return errors.New("two of a key at a time")
		}
		return nil
	}}
	c := New(&message.Subscription{Name: "s", Concurrency: 3}, o, Options{Capacity: len(keys) * each})
	c.Start(t.Context())
	for i := range each {
		for _, key := range keys {
			require.True(t, c.Reserve())
			d := item(c, key, 0, nil)
			d.Topic = fmt.Sprintf("%s%03d", key, i)
			require.True(t, c.Push(d))
		}
	}
	require.Eventually(t, c.Quiet, 20*time.Second, time.Millisecond)
	end(t, c)
	for _, key := range keys {
		require.Len(t, got[key], each)
		require.True(t, key == "" || slices.IsSorted(got[key]), "%q", got[key])
	}
	require.LessOrEqual(t, most.Load(), int64(3))
	for _, outcome := range o.settled() {
		require.NotContains(t, outcome, "two of a key")
	}
}

func TestAHandlerThatPanicsOrEndsItsGoroutineHasFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var failures []error
		s := &message.Subscription{Name: "s", Concurrency: 1, Observe: func(_ time.Duration, err error) { failures = append(failures, err) }}
		o := &owner{run: func(_ context.Context, d *Item) error {
			switch name(d) {
			case "0":
				panic("zero")
			case "1":
				runtime.Goexit()
			case "2":
				var typed *app.Error
				return typed // a nil pointer, whose methods panic
			}
			return nil
		}}
		c := New(s, o, Options{Capacity: 10})
		c.Start(t.Context())
		push(t, c, "", "", "", "")
		synctest.Wait()
		require.Len(t, failures, 4)
		var panicked *app.PanicError
		require.ErrorAs(t, failures[0], &panicked)
		require.Equal(t, "zero", panicked.Value)
		require.ErrorIs(t, failures[1], message.ErrExited)
		require.Error(t, failures[2])
		require.NotEmpty(t, failures[2].Error())
		require.NoError(t, failures[3], "another worker went on")
		require.True(t, c.Quiet())
		end(t, c)
	})
}

// batches runs a consumer with one worker and with five deliveries at its start, and returns the batches.
func batches(t *testing.T, o *owner, run func(batch []*Item) bool) (tried [][]string) {
	t.Helper()
	o.runBatch = func(_ context.Context, batch []*Item) bool {
		tried = append(tried, names(batch))
		return run(batch)
	}
	c := New(&message.Subscription{Name: "s", Concurrency: 1}, o, Options{Capacity: 10, Batch: 3})
	push(t, c, "", "", "", "", "")
	c.Start(t.Context())
	synctest.Wait()
	require.True(t, c.Quiet())
	end(t, c)
	return tried
}

func TestBatchesAreRunAsOneOrOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var single []string
		o := &owner{run: func(_ context.Context, d *Item) error { single = append(single, name(d)); return nil }}
		tried := batches(t, o, func(batch []*Item) bool { return len(batch) == 3 })
		require.Equal(t, [][]string{{"0", "1", "2"}, {"3", "4"}}, tried)
		require.Equal(t, []string{"3", "4"}, single, "nothing of that batch had happened")
		require.Equal(t, []string{"0", "1", "2", "3", "4"}, o.settled())
	})
}

// When a handler ended the goroutine of its batch, the other deliveries of the batch were lost.
func TestAHandlerThatEndsTheGoroutineOfItsBatchDelaysOnlyItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &owner{run: func(_ context.Context, d *Item) error {
			if name(d) == "1" {
				runtime.Goexit()
			}
			return nil
		}}
		tried := batches(t, o, func([]*Item) bool { runtime.Goexit(); return true })
		require.Equal(t, [][]string{{"0", "1", "2"}}, tried, "from then on each is run by itself")
		require.Equal(t, []string{"0", "1: the handler ended its goroutine", "2", "3", "4"}, o.settled())
	})
}

func TestTheRestOfABatchIsGivenBackWhenItsGoroutineEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &owner{run: func(_ context.Context, d *Item) error {
			if name(d) == "0" {
				runtime.Goexit()
			}
			return nil
		}}
		batches(t, o, func([]*Item) bool { return false })
		require.Equal(t, []string{"0: the handler ended its goroutine", "1", "2", "3", "4"}, o.settled())
	})
}

func TestCloseGivesBackWhatHasNotBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		o := &owner{
			run:      func(context.Context, *Item) error { <-goOn; return nil },
			runBatch: func(context.Context, []*Item) bool { return false },
		}
		c := New(&message.Subscription{Name: "s", Concurrency: 1}, o, Options{Capacity: 10, Batch: 2})
		push(t, c, "", "", "", "k", "k")
		c.Start(t.Context())
		synctest.Wait()
		held := make(map[*Item]struct{})
		c.Held(held)
		require.Len(t, held, 5)
		require.ElementsMatch(t, []string{"2", "k3", "k4"}, names(c.Close()), "0 runs, and 1 is in its batch")
		require.False(t, c.Push(item(c, "", 9, nil)))
		close(goOn)
		require.NoError(t, c.Wait(t.Context()))
		require.Equal(t, []string{"0", "1: " + message.ErrNotBegun.Error()}, o.settled())
		require.Empty(t, c.Close(), "twice")
	})
}

func TestWaitEndsTheContextsOfRunsAndSaysHowManyGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		var told atomic.Int64
		o := &owner{run: func(ctx context.Context, _ *Item) error {
			<-ctx.Done()
			told.Add(1)
			<-goOn
			return nil
		}}
		c := New(&message.Subscription{Name: "s", Concurrency: 2, Timeout: time.Hour}, o, Options{Capacity: 10})
		c.Start(t.Context())
		push(t, c, "", "")
		synctest.Wait()
		require.False(t, c.Ended())
		c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.EqualError(t, c.Wait(ctx), "subscription s: 2 still running")
		require.True(t, c.Ended())
		synctest.Wait()
		require.EqualValues(t, 2, told.Load())
		close(goOn)
		require.NoError(t, c.Wait(t.Context()), "later they have returned")
	})
}

func TestATimeoutEndsOneRunAndNotTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &owner{run: func(ctx context.Context, d *Item) error {
			if name(d) == "0" {
				<-ctx.Done()
			}
			return ctx.Err()
		}}
		c := New(&message.Subscription{Name: "s", Concurrency: 1, Timeout: time.Second}, o, Options{Capacity: 10})
		c.Start(t.Context())
		push(t, c, "", "")
		for range 3 {
			<-time.After(time.Second)
			c.EndOverdue(nil)
		}
		synctest.Wait()
		require.Equal(t, []string{"0: context canceled", "1"}, o.settled())
		end(t, c)
	})
}

func TestAnOwnerThatRunsDeliveriesItselfIsTold(t *testing.T) {
	t.Parallel()
	told := 0
	c := New(&message.Subscription{Name: "s"}, &owner{}, Options{Capacity: 10, OwnerRuns: true, Ready: func() { told++ }})
	push(t, c, "k", "k")
	require.Nil(t, c.Pull(), "not started")
	require.False(t, c.Waiting())
	c.Start(t.Context())
	defer end(t, c)
	require.Equal(t, 2, told)
	first := c.Pull()
	require.Equal(t, "k0", name(first))
	c.Advance(first)
	require.Equal(t, 3, told, "the next of the key")
	require.True(t, c.MakeReady(c.Pull()))
	require.Equal(t, 4, told)
}

func TestRecallForgetsTheKeysToo(t *testing.T) {
	t.Parallel()
	c := pulled(t)
	defer end(t, c)
	push(t, c, "k", "k", "")
	running := c.Pull()
	require.ElementsMatch(t, []string{"k1", "2"}, names(c.Recall()))
	require.False(t, c.StillOrders(running))
	require.False(t, c.Waiting())
}
