package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"plugboard/infra/eventbus/internal/message"
)

// take takes numbers in a transaction of its own.
func (r rig) take(topic, key string, n int) (first, last int64) {
	r.t.Helper()
	r.inTx(func(ctx context.Context) (err error) {
		first, last, err = r.Events().TakeNumbers(ctx, topic, key, n)
		return err
	})
	return first, last
}

func TestNumbersOfAKeyHaveNoGaps(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		first, last := r.take("t", "k", 1)
		require.Equal(t, first, last)
		again, next := r.take("t", "k", 3)
		require.Equal(t, []int64{first, first + 3}, []int64{again, next})

		undone := errors.New("undone")
		require.ErrorIs(t, r.DB.InTx(r.ctx(), func(ctx context.Context) error {
			_, _, err := r.Events().TakeNumbers(ctx, "t", "k", 100)
			require.NoError(t, err)
			return undone
		}), undone)
		_, after := r.take("t", "k", 1)
		require.Equal(t, next+1, after, "a rollback gives numbers back")

		other, _ := r.take("t", "l", 1)
		elsewhere, _ := r.take("u", "k", 1)
		require.NotZero(t, other)
		require.NotZero(t, elsewhere)
	})
}

// A process may remember the last number of a key whose numbers were deleted meanwhile. The key's new numbers are above it, even
// when many were taken in a short time, or the clock was set back.
func TestNumbersGrowAcrossTheirDeletion(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		rapid.Check(t, func(check *rapid.T) {
			highest := int64(0)
			for range rapid.IntRange(1, 5).Draw(check, "deletions") {
				first, last := int64(0), int64(0)
				for _, n := range rapid.SliceOfN(rapid.IntRange(1, 1<<40), 1, 3).Draw(check, "numbers") {
					first, last = r.take("t", "k", n)
				}
				require.Greater(check, first, highest)
				highest = last
				r.do("DELETE FROM bus_sequences WHERE key = 'k'")
				if other, _ := r.take("t", "another", 1); other > highest {
					highest = other
				}
				r.do("DELETE FROM bus_sequences WHERE key = 'another'")
			}
		})
	})
}

// newMessage returns a message of topic t.
func newMessage(id, key string, delay time.Duration) *message.Message {
	m := &message.Message{
		Key: key, Time: message.Now(),
		Envelope: &message.Envelope{
			Topic: "t", Emitter: "p", Parent: "cause", RequestID: "r", Trace: "x", Principal: "ann",
			Headers: map[string]string{"colour": "red"}, Delay: delay, Payload: []byte(`{"id":1}`),
		},
	}
	m.SetID(id)
	return m
}

func TestInsertStoresAnEventWithItsDeliveries(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addName("ours", "t", "active", "", 0)
		r.addName("sub", "t", "active", "", 0)
		r.addName("theirs", "t", "active", "", 0)
		r.addName("gone", "t", "retired", "", 0)
		r.addName("else", "u", "active", "", 0)
		m := newMessage("e1", "k", time.Hour)
		rows := []NewDelivery{{Subscription: "sub", Claimed: true}, {Subscription: "ours"}}
		if !r.Postgres {
			rows = append(rows, NewDelivery{Subscription: "theirs"})
		}
		r.inTx(func(ctx context.Context) error { return r.Events().Insert(ctx, "a", m, 4, rows) })
		require.Equal(t, []string{"ours", "sub", "theirs"}, r.texts("SELECT subscription FROM bus_deliveries WHERE key = 'k' AND seq = 4 ORDER BY 1"))
		require.Equal(t, "running a#1 try 1 crashes 0/0 behind 0", r.see("e1"))
		require.Equal(t, "pending #0 try 0 crashes 0/0 behind 0", r.seeOf("ours", "e1"))
		require.Equal(t, "pending #0 try 0 crashes 0/0 behind 0", r.seeOf("theirs", "e1"))
		about(t, time.Hour, r.dueIn("e1"))

		all, err := r.Events().Read(r.ctx(), []string{"e1", "none"}, func(*message.Message) bool { return true })
		require.NoError(t, err)
		require.Len(t, all, 1)
		got := all["e1"]
		want := *m.Envelope
		want.Delay = 0 // it is in the deliveries
		require.Equal(t, want, *got.Envelope)
		require.Equal(t, []any{m.ID(), m.Key, m.Time}, []any{got.ID(), got.Key, got.Time})
	})
}

// An event without headers and without deliveries is stored too: a subscription may be retired before the commit.
func TestInsertStoresAnEventThatNobodyTakes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		m := newMessage("e1", "", 0)
		m.Headers = nil
		r.inTx(func(ctx context.Context) error { return r.Events().Insert(ctx, "a", m, 0, nil) })
		require.Equal(t, []string{""}, r.texts("SELECT headers FROM bus_events"))
		require.Zero(t, r.number("SELECT COUNT(*) FROM bus_deliveries"))
	})
}

func TestReadAsksBeforeItReadsOn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		for _, id := range []string{"e1", "e2", "e3"} {
			r.addEvent(id, "t")
		}
		r.do("UPDATE bus_events SET headers = '{bad' WHERE id = 'e2'")
		var asked []string
		all, err := r.Events().Read(r.ctx(), []string{"e3", "e2", "e1"}, func(m *message.Message) bool {
			asked = append(asked, m.ID())
			return m.ID() != "e3"
		})
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"e1", "e2", "e3"}, asked)
		require.Len(t, all, 2)
		require.NoError(t, all["e1"].Fault)
		require.ErrorContains(t, all["e2"].Fault, "the stored headers of the event cannot be read")
	})
}

func TestSequencesAreOrderedByTheirBytes(t *testing.T) {
	t.Parallel()
	require.Negative(t, Sequence{"a", "z"}.Compare(Sequence{"b", "a"}))
	require.Positive(t, Sequence{"a", "b"}.Compare(Sequence{"a", "B"}))
	require.Zero(t, Sequence{"a", "b"}.Compare(Sequence{"a", "b"}))
}
