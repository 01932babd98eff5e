package consumer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"plugboard/infra/eventbus/internal/message"
)

func TestPlacesAreBoundedAndGivenBack(t *testing.T) {
	t.Parallel()
	o := &owner{}
	c := New(&message.Subscription{Name: "s"}, o, Options{Capacity: 3})
	require.True(t, c.Quiet())
	require.True(t, c.Reserve())
	require.Equal(t, 2, c.ReserveUpTo(5))
	require.True(t, c.Full())
	require.False(t, c.Reserve())
	require.EqualValues(t, 3, c.Used(), "a place that is not there is not taken")
	c.Unreserve(1)
	require.False(t, c.Full())
	require.True(t, c.Reserve())
	c.Free(2)
	require.Zero(t, o.idle.Load(), "one place is still taken")
	c.Free(1)
	require.EqualValues(t, 1, o.idle.Load())
	require.True(t, c.Reserve())
	c.Unreserve(1)
	require.EqualValues(t, 1, o.idle.Load(), "Unreserve tells nobody")
	require.True(t, c.Quiet())
}

func TestAPublisherWaitsForAPlaceOnceUntilThereIsProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(&message.Subscription{Name: "s"}, &owner{}, Options{Capacity: 1})
		require.True(t, c.Reserve())
		began := time.Now()
		wait := func() bool { began = time.Now(); return c.AwaitRoom(time.Second) }

		require.False(t, wait())
		require.Equal(t, time.Second, time.Since(began))
		require.False(t, wait())
		require.Zero(t, time.Since(began), "it waited in vain, and no place has been given back")

		c.Free(1)
		require.True(t, wait(), "the place that was given back")
		require.Zero(t, time.Since(began))
		time.AfterFunc(time.Second/2, func() { c.Free(1) })
		require.True(t, wait())
		require.Equal(t, time.Second/2, time.Since(began))
		require.True(t, c.Full())
	})
}

func TestOfManyWhoWaitEachPlaceIsForOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(&message.Subscription{Name: "s"}, &owner{}, Options{Capacity: 2})
		require.Equal(t, 2, c.ReserveUpTo(2))
		got := make(chan bool, 5)
		for range cap(got) {
			go func() { got <- c.AwaitRoom(time.Second) }()
		}
		synctest.Wait()
		c.Free(2)
		placed := 0
		for range cap(got) {
			if <-got {
				placed++
			}
		}
		require.Equal(t, 2, placed)
		require.EqualValues(t, 2, c.Used())
	})
}

func TestTheQueueIsFirstInFirstOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q fifo
		var want []*Item
		t.Repeat(map[string]func(*rapid.T){
			"push": func(*rapid.T) {
				d := &Item{}
				q.push(d)
				want = append(want, d)
			},
			"pop": func(t *rapid.T) {
				if len(want) == 0 {
					t.Skip("empty")
				}
				if got := q.pop(); got != want[0] {
					t.Fatal("not the first one")
				}
				want = want[1:]
			},
			"drain": func(t *rapid.T) {
				if !same(q.drain(), want) {
					t.Fatal("not what was in it")
				}
				want = nil
			},
			"": func(t *rapid.T) {
				if q.len() != len(want) || !same(q.items(), want) {
					t.Fatalf("%d deliveries, want %d", q.len(), len(want))
				}
			},
		})
	})
}

func TestAQueueThatIsShortStaysSmallAndKeepsNothing(t *testing.T) {
	t.Parallel()
	var q fifo
	for range 3 {
		q.push(&Item{})
	}
	for range 100 {
		q.push(&Item{})
		kept := 0
		for _, d := range q.buf[:cap(q.buf)] {
			if d != nil {
				kept++
			}
		}
		require.Equal(t, q.len(), kept)
		require.LessOrEqual(t, cap(q.buf), 16)
		q.pop()
	}
}

func same(a, b []*Item) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
