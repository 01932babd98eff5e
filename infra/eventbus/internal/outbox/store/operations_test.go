package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// When two operators change the same delivery, one of them learns that the other was faster. A pending or running delivery is neither
// replayed nor discarded as dead.
func TestOperationsChangeADeliveryOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		ops := r.Operations()
		for state, want := range map[string][3]bool{
			"pending": {false, false, true}, "running": {false, false, false}, "dead": {true, true, false},
		} {
			for i, op := range []func() (bool, error){
				func() (bool, error) { return ops.Replay(r.ctx(), "e", "sub") },
				func() (bool, error) { return ops.DiscardDead(r.ctx(), "e", "sub") },
				func() (bool, error) { return ops.DiscardPending(r.ctx(), "e", "sub") },
			} {
				r.do("DELETE FROM bus_deliveries")
				r.add("e", "state = '"+state+"'")
				r.addTo("other", "e", "state = '"+state+"'")
				done, err := op()
				require.NoError(t, err)
				require.Equal(t, want[i], done, "%s, operation %d", state, i)
				if done {
					again, err := op()
					require.NoError(t, err)
					require.False(t, again)
				}
				require.Equal(t, state, r.texts("SELECT state FROM bus_deliveries WHERE subscription = 'other'")[0])
			}
		}
	})
}

func TestReplayBeginsAnew(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.add("e", "state = 'dead', owner = 'a', token = 5, attempts = 9, ends = 3, alone = 2, parked_at = 7, error = 'never'")
		_, err := r.Operations().Replay(r.ctx(), "e", "sub")
		require.NoError(t, err)
		require.Equal(t, "pending #6 try 0 crashes 0/0 behind 0 never", r.see("e"))
		require.Zero(t, r.number("SELECT parked_at FROM bus_deliveries"))
		about(t, 0, r.dueIn("e"))
	})
}

// When the clock had been set back, a replay did not find the deliveries that had died in the hours before.
func TestLastDeathIsNeverBeforeADeath(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		at, err := r.Operations().LastDeath(r.ctx())
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), time.UnixMilli(at), time.Minute)
		r.add("e", "state = 'dead', failed_at = {now} + 3600000")
		at, err = r.Operations().LastDeath(r.ctx())
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(time.Hour), time.UnixMilli(at), time.Minute)
	})
}

func TestRetireEndsASubscriptionAndItsSchedule(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addName("a", "t", "active", "", 5)
		require.NoError(t, r.Schedules().Register(r.ctx(), "a", "@daily"))
		require.NoError(t, r.Schedules().Register(r.ctx(), "b", "@daily"))
		require.NoError(t, r.Operations().Retire(r.ctx(), "a"))
		require.NoError(t, r.Operations().AddRetired(r.ctx(), "a", "u"))
		require.NoError(t, r.Operations().AddRetired(r.ctx(), "b", "u"))
		require.Equal(t, "a retired, b retired", r.names())
		require.Equal(t, []string{"t", "u"}, r.texts("SELECT topic FROM bus_subscriptions ORDER BY name"), "a name that is known stays as it is")
		require.Equal(t, []string{"b"}, r.texts("SELECT name FROM bus_schedules"))
		require.NoError(t, r.Operations().Record(r.ctx(), "retire", "ann", "", "a", ""))
		require.Equal(t, []string{"retire ann a"}, r.texts("SELECT action || ' ' || actor || ' ' || subscription FROM bus_actions"))
	})
}
