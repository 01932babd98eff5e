package store

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// When one subscription had a delivery behind another, all subscriptions asked for the next delivery of each key they finished.
// A poll now tells which subscriptions have such deliveries, and the others do not ask.
func TestAPollTellsWhichSubscriptionsHaveDeliveriesBehindOthers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addTo("a", "e1", "key = 'k', seq = 1, behind = 1")
		r.addTo("b", "e1", "key = 'k', seq = 1, behind = 1")
		r.addTo("b", "e2", "key = 'k', seq = 2, behind = 1")
		r.addTo("c", "e1", "key = 'k', seq = 1")
		all, behind, err := r.Deliveries().NextDue(r.ctx())
		require.NoError(t, err)
		require.True(t, behind)
		require.True(t, all["a"].Behind)
		require.True(t, all["b"].Behind)
		require.False(t, all["c"].Behind)
		require.False(t, all["s"].Behind)
	})
}

func TestNextDueSaysWhenTheNextOfEachKindIsDue(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		all, behind, err := r.Deliveries().NextDue(r.ctx())
		require.NoError(t, err)
		require.Empty(t, all)
		require.False(t, behind)

		r.addTo("both", "e1", "due_at = {now} + 7200000")
		r.addTo("both", "e2", "due_at = {now} + 3600000")
		r.addTo("both", "e3", "due_at = {now} + 1800000, key = 'k', seq = 1")
		r.addTo("due", "e1", "")
		r.addTo("marked", "e1", "key = 'k', seq = 2, behind = 1")
		r.addTo("running", "e1", "state = 'running'")
		r.addTo("dead", "e1", "state = 'dead'")
		all, _, err = r.Deliveries().NextDue(r.ctx())
		require.NoError(t, err)
		require.Len(t, all, 3)
		about(t, time.Hour, time.Duration(all["both"].Unkeyed.Int64)*time.Millisecond)
		about(t, 30*time.Minute, time.Duration(all["both"].Keyed.Int64)*time.Millisecond)
		require.Negative(t, all["due"].Unkeyed.Int64)
		require.Equal(t, sql.NullInt64{}, all["due"].Keyed)
		require.Equal(t, NextDue{Behind: true}, all["marked"])
	})
}

func TestDueKeyedListsCandidatesInTheOrderOfTheirTimes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.add("third", "key = 'a', seq = 1, due_at = 3")
		r.add("first", "key = 'b', seq = 1, due_at = 1")
		r.add("second", "key = 'b', seq = 2, due_at = 2")
		r.add("marked", "key = 'b', seq = 3, due_at = 1, behind = 1")
		r.add("future", "key = 'c', seq = 1, due_at = {now} + 3600000")
		r.add("unkeyed", "")
		got, err := r.Deliveries().DueKeyed(r.ctx(), "sub", 10)
		require.NoError(t, err)
		require.Equal(t, []Candidate{{"first", "b"}, {"second", "b"}, {"third", "a"}}, got)
		got, err = r.Deliveries().DueKeyed(r.ctx(), "sub", 1)
		require.NoError(t, err)
		require.Equal(t, []Candidate{{"first", "b"}}, got)
	})
}

func TestKeyHeadsAreTheFirstUnfinishedOfTheirKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addKeyed("a", 3)
		r.addKeyed("b", 3)
		r.addKeyed("c", 1)
		r.do("UPDATE bus_deliveries SET state = 'dead' WHERE event_id = 'a1'")
		r.do("UPDATE bus_deliveries SET state = 'running' WHERE event_id = 'b1'")
		r.do("UPDATE bus_deliveries SET behind = 1 WHERE event_id = 'a2'")
		r.addTo("other", "a0", "key = 'a', seq = 0")
		heads := func(block bool) map[string]KeyHead {
			all, err := r.Deliveries().KeyHeads(r.ctx(), "sub", []string{"a", "b", "none"}, block)
			require.NoError(t, err)
			byKey := map[string]KeyHead{}
			for _, h := range all {
				require.LessOrEqual(t, h.Wait, int64(0))
				h.Wait = 0
				byKey[h.Key] = h
			}
			return byKey
		}
		running := KeyHead{ID: "b1", Key: "b", Number: 1, State: "running"}
		require.Equal(t, map[string]KeyHead{"a": {ID: "a2", Key: "a", Number: 2, State: "pending", Behind: true}, "b": running}, heads(false))
		require.Equal(t, map[string]KeyHead{"a": {ID: "a1", Key: "a", Number: 1, State: "dead"}, "b": running}, heads(true))
	})
}
