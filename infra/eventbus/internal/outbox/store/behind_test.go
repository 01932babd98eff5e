package store

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// behind lists the ids of the deliveries that are marked behind.
func (r rig) behind() []string {
	r.t.Helper()
	return r.texts("SELECT event_id FROM bus_deliveries WHERE behind = 1 ORDER BY event_id")
}

func (r rig) markBehind(heads, ids []string, block bool) (n int64) {
	r.t.Helper()
	r.inTx(func(ctx context.Context) (err error) {
		n, err = r.Deliveries().MarkBehind(ctx, "sub", heads, ids, block)
		return err
	})
	return n
}

func TestMarkBehindMarksWhatComesAfterTheHeadOfItsKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addKeyed("a", 3)
		r.addKeyed("b", 2)
		r.do("UPDATE bus_deliveries SET state = 'running' WHERE event_id = 'a3'")
		n := r.markBehind([]string{"a1"}, []string{"a1", "a2", "a3", "b2"}, false)
		require.Equal(t, int64(1), n, "neither the head, nor one that runs, nor one of another key")
		require.Equal(t, []string{"a2"}, r.behind())
		require.Zero(t, r.markBehind([]string{"a1"}, []string{"a2"}, false), "it is marked already")
	})
}

// A dead delivery blocks its key only in a blocking subscription.
func TestMarkBehindKnowsWhichDeadDeliveriesBlock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addKeyed("a", 2)
		r.do("UPDATE bus_deliveries SET state = 'dead' WHERE event_id = 'a1'")
		require.Zero(t, r.markBehind([]string{"a1"}, []string{"a2"}, false))
		require.Equal(t, int64(1), r.markBehind([]string{"a1"}, []string{"a2"}, true))
	})
}

// A process that finishes a head looks for the deliveries marked behind it. It must not miss any, so MarkBehind skips a head that
// another transaction is about to finish.
func TestMarkBehindPassesByAHeadThatIsBeingFinished(t *testing.T) {
	t.Parallel()
	r := onPostgres(t)
	r.addKeyed("a", 2)
	r.inTx(func(ctx context.Context) error {
		_, err := r.Deliveries().Complete(ctx, Held{"a1", "sub", 1})
		require.NoError(t, err)
		require.Zero(t, r.markBehind([]string{"a1"}, []string{"a2"}, false))
		return nil
	})
	require.Empty(t, r.behind())
}

func TestUnmarkedDeliveriesAreReadByPollsAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addKeyed("a", 3)
		r.addKeyed("b", 3)
		r.do("UPDATE bus_deliveries SET behind = 1 WHERE seq > 1")
		require.NoError(t, r.Deliveries().UnmarkNextBehind(r.ctx(), "sub", "a"))
		require.Equal(t, []string{"a3", "b2", "b3"}, r.behind())
		require.NoError(t, r.Deliveries().UnmarkNextBehind(r.ctx(), "sub", "none"))
		n, err := r.Deliveries().UnmarkBehind(r.ctx(), "sub", []string{"b1", "b2", "none"})
		require.NoError(t, err)
		require.Equal(t, int64(1), n)
		require.Equal(t, []string{"a3", "b3"}, r.behind())
	})
}

func TestNoLongerBehindPagesThroughAllMarkedDeliveries(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addKeyed("a", 2) // 2 is behind 1
		r.addKeyed("b", 3) // 1 is gone: 2 is the first
		r.addKeyed("c", 2) // 1 is dead
		r.addTo("blocks", "c1", "key = 'c', seq = 1, state = 'dead'")
		r.addTo("blocks", "c2", "key = 'c', seq = 2")
		r.do("UPDATE bus_deliveries SET behind = 1 WHERE seq > 1")
		r.do("DELETE FROM bus_deliveries WHERE event_id = 'b1'")
		r.do("UPDATE bus_deliveries SET state = 'dead' WHERE event_id = 'c1'")
		for limit := 1; limit <= 7; limit++ {
			found := map[string][]string{}
			cursor, more, pages := BehindCursor{}, true, 0
			for more {
				var ids map[string][]string
				var err error
				ids, cursor, more, err = r.Deliveries().NoLongerBehind(r.ctx(), cursor, []string{"blocks"}, limit)
				require.NoError(t, err)
				for name, some := range ids {
					found[name] = append(found[name], some...)
				}
				pages++
			}
			require.Equal(t, map[string][]string{"sub": {"b2", "c2"}}, found, "pages of %d", limit)
			require.LessOrEqual(t, pages, 5)
		}
	})
}
