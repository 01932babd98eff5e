package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// idAt returns the id of an event that was published at a time.
func idAt(at time.Time, n int) string {
	ms := fmt.Sprintf("%012x", at.UnixMilli())
	return fmt.Sprintf("%s-%s-7000-8000-%012d", ms[:8], ms[8:], n)
}

func TestFinishedEventsAreDeletedAfterTheirTime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		now, err := r.Now(r.ctx())
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), now, time.Minute)
		old, cutoff := now.Add(-2*time.Hour), now.Add(-time.Hour)
		var ids []string
		for n := range 5 {
			ids = append(ids, idAt(old, n))
			r.addEvent(ids[n], "t")
		}
		r.addEvent(idAt(now, 1), "t")
		r.add(ids[1], "state = 'dead'")
		r.add(ids[3], "")

		page, finished, err := r.Retention().EventsBefore(r.ctx(), cutoff, "", 3)
		require.NoError(t, err)
		require.Equal(t, ids[:3], page)
		require.Equal(t, []string{ids[0], ids[2]}, finished)
		page, finished, err = r.Retention().EventsBefore(r.ctx(), cutoff, ids[2], 3)
		require.NoError(t, err)
		require.Equal(t, ids[3:], page)
		require.Equal(t, []string{ids[4]}, finished)

		require.NoError(t, r.Retention().DeleteEvents(r.ctx(), ids[:4]), "also those that have deliveries by now")
		require.Equal(t, []string{ids[1], ids[3], ids[4], idAt(now, 1)}, r.texts("SELECT id FROM bus_events ORDER BY id"))
		page, _, err = r.Retention().EventsBefore(r.ctx(), time.UnixMilli(-5), "", 3)
		require.NoError(t, err)
		require.Empty(t, page, "a cutoff before all times")
	})
}

func TestUnusedSequencesAreReadPageByPage(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		cutoff := time.UnixMilli(1000)
		for i, key := range []string{"a", "B", "c", "d"} {
			r.do("INSERT INTO bus_sequences (topic, key, first, last, used_at) VALUES ('t', ?, 1, 1, ?)", key, i*400)
		}
		unused, last, more, err := r.Retention().UnusedSequences(r.ctx(), Sequence{}, cutoff, 4)
		require.NoError(t, err)
		require.True(t, more)
		require.Equal(t, []Sequence{{"t", "B"}, {"t", "a"}, {"t", "c"}}, unused)
		require.Equal(t, Sequence{"t", "d"}, last)
		unused, _, more, err = r.Retention().UnusedSequences(r.ctx(), last, cutoff, 4)
		require.NoError(t, err)
		require.False(t, more)
		require.Empty(t, unused)
	})
}

// A sequence is deleted only when no delivery of its key is stored, not even a dead one. Otherwise new events could come before old ones.
func TestDeleteSequencesKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addName("sub", "t", "active", "", 0)
		for key, at := range map[string]int{"unused": 1, "used": 5000, "pending": 1, "dead": 1, "not asked for": 1} {
			r.do("INSERT INTO bus_sequences (topic, key, first, last, used_at) VALUES ('t', ?, 1, 7, ?)", key, at)
		}
		r.do("INSERT INTO bus_sequences (topic, key, first, last, used_at) VALUES ('u', 'unused', 1, 1, 1)")
		r.add("e1", "key = 'pending', seq = 1")
		r.add("e2", "key = 'dead', seq = 1, state = 'dead'")
		r.inTx(func(ctx context.Context) error {
			return r.Retention().DeleteSequences(ctx, "t", []string{"unused", "used", "pending", "dead"}, time.UnixMilli(1000))
		})
		require.Equal(t, []string{"t/dead", "t/not asked for", "t/pending", "t/used", "u/unused"},
			r.texts("SELECT topic || '/' || key FROM bus_sequences ORDER BY topic, key"))
		require.Equal(t, int64(7), r.number("SELECT last FROM bus_floors WHERE topic = 't'"))
	})
}

// A publisher uses a sequence in a transaction that is still open: the row does not show it before the commit. The sequence stays.
func TestDeleteSequencesPassesByWhatAPublisherHolds(t *testing.T) {
	t.Parallel()
	r := onPostgres(t)
	first, _ := r.take("t", "k", 1)
	r.do("UPDATE bus_sequences SET used_at = 1")
	r.inTx(func(ctx context.Context) error {
		_, last, err := r.Events().TakeNumbers(ctx, "t", "k", 1)
		require.NoError(t, err)
		require.Equal(t, first+1, last)
		return r.Retention().DeleteSequences(r.ctx(), "t", []string{"k"}, time.UnixMilli(1000))
	})
	require.Equal(t, first+1, r.number("SELECT last FROM bus_sequences"))
}
