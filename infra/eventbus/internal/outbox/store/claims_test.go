package store

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// idsOf returns the ids of claimed deliveries.
func idsOf(claimed []Claimed) []string {
	ids := []string{}
	for _, c := range claimed {
		ids = append(ids, c.EventID)
	}
	return ids
}

func TestClaimUnkeyedTakesTheLongestDueOfOneSubscription(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.add("later", "due_at = 7")
		r.add("first", "due_at = 6")
		r.add("last", "due_at = 8")
		r.add("future", "due_at = {now} + 3600000")
		r.add("keyed", "key = 'k', seq = 1")
		r.add("running", "state = 'running', owner = 'b'")
		r.add("dead", "state = 'dead'")
		r.addTo("other", "first", "")
		r.inTx(func(ctx context.Context) error {
			got, err := r.Deliveries().ClaimUnkeyed(ctx, "a", "sub", 2)
			require.NoError(t, err)
			require.ElementsMatch(t, []string{"first", "later"}, idsOf(got))
			require.Equal(t, []any{int64(2), 2}, []any{got[0].Claim.Token, got[0].Attempts})
			return err
		})
		require.Equal(t, "running a#2 try 2 crashes 0/0 behind 0", r.see("first"))
		require.Equal(t, "pending #1 try 1 crashes 0/0 behind 0", r.see("last"))
		require.Equal(t, "running b#1 try 1 crashes 0/0 behind 0", r.see("running"))
		require.Equal(t, "pending #1 try 1 crashes 0/0 behind 0", r.seeOf("other", "first"))
		due, err := r.Deliveries().DueUnkeyed(r.ctx(), "sub", 10)
		require.NoError(t, err)
		require.Equal(t, []KeyHead{{ID: "last"}}, due)
	})
}

// Two transactions that claim at the same time claim different deliveries, and neither waits for the other.
func TestClaimUnkeyedPassesByWhatAnotherTransactionClaims(t *testing.T) {
	t.Parallel()
	r := onPostgres(t)
	r.add("e1", "due_at = 1")
	r.add("e2", "due_at = 2")
	r.inTx(func(ctx context.Context) error {
		first, err := r.Deliveries().ClaimUnkeyed(ctx, "a", "sub", 1)
		require.NoError(t, err)
		require.Equal(t, []string{"e1"}, idsOf(first))
		r.inTx(func(ctx context.Context) error {
			second, err := r.Deliveries().ClaimUnkeyed(ctx, "b", "sub", 2)
			require.Equal(t, []string{"e2"}, idsOf(second))
			return err
		})
		return nil
	})
}

func TestClaimByIDTakesWhatIsPendingAndDue(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.add("marked", "key = 'k', seq = 1, behind = 1, ends = 1, alone = 1")
		r.add("future", "key = 'l', seq = 1, due_at = {now} + 3600000")
		r.add("dead", "key = 'm', seq = 1, state = 'dead'")
		got, err := r.Deliveries().ClaimByID(r.ctx(), "a", "sub", []string{"marked", "future", "dead", "none"})
		require.NoError(t, err)
		require.Len(t, got, 1)
		c := got[0]
		require.Equal(t, []any{"marked", "k", int64(1), 2, int64(2), int16(1), int16(1)},
			[]any{c.EventID, c.Key, c.Number, c.Attempts, c.Claim.Token, c.Claim.Crashes, c.Claim.SoloCrashes})
		require.Equal(t, "running a#2 try 2 crashes 1/1 behind 0", r.see("marked"))
	})
}

// The claim of a delivery whose token is the highest fails, and leaves it as it was.
func TestTheHighestTokenCannotBeClaimed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.add("e", "")
		r.do("UPDATE bus_deliveries SET token = ?", int64(math.MaxInt64))
		_, err := r.Deliveries().ClaimByID(r.ctx(), "a", "sub", []string{"e"})
		require.Error(t, err)
		require.Equal(t, int64(math.MaxInt64), r.number("SELECT token FROM bus_deliveries"))
	})
}

func TestClaimKeyTakesTheRunFromTheFirstOn(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		before string // changes the deliveries 1 to 6 of key k
		seq    int64
		n      int
		block  bool
		want   []string
	}{
		"all":                                  {"", 1, 10, false, []string{"k1", "k2", "k3", "k4", "k5", "k6"}},
		"as many as asked for":                 {"", 1, 2, false, []string{"k1", "k2"}},
		"from the first unfinished":            {"DELETE FROM bus_deliveries WHERE seq < 3", 3, 10, false, []string{"k3", "k4", "k5", "k6"}},
		"not from a later one":                 {"", 2, 10, false, nil},
		"not when another has the first":       {"UPDATE bus_deliveries SET state = 'running' WHERE seq = 1", 2, 10, false, nil},
		"up to one that is not due":            {"UPDATE bus_deliveries SET due_at = {now} + 3600000 WHERE seq = 3", 1, 10, false, []string{"k1", "k2"}},
		"up to one that runs":                  {"UPDATE bus_deliveries SET state = 'running' WHERE seq = 3", 1, 10, false, []string{"k1", "k2"}},
		"up to a gap":                          {"DELETE FROM bus_deliveries WHERE seq = 3", 1, 10, false, []string{"k1", "k2"}},
		"up to a dead one":                     {"UPDATE bus_deliveries SET state = 'dead' WHERE seq = 3", 1, 10, false, []string{"k1", "k2"}},
		"past a dead one":                      {"UPDATE bus_deliveries SET state = 'dead' WHERE seq = 1", 2, 2, false, []string{"k2", "k3"}},
		"not past a dead one that blocks":      {"UPDATE bus_deliveries SET state = 'dead' WHERE seq = 1", 2, 10, true, nil},
		"up to a quarantined one":              {"UPDATE bus_deliveries SET ends = 2 WHERE seq = 3", 1, 10, false, []string{"k1", "k2"}},
		"a quarantined one alone":              {"UPDATE bus_deliveries SET ends = 2 WHERE seq = 1", 1, 10, false, []string{"k1"}},
		"one crash does not quarantine":        {"UPDATE bus_deliveries SET ends = 1", 1, 10, false, []string{"k1", "k2", "k3", "k4", "k5", "k6"}},
		"not when the first is not due itself": {"UPDATE bus_deliveries SET due_at = {now} + 3600000 WHERE seq = 1", 1, 10, false, nil},
	}
	each(t, func(t *testing.T, r rig) {
		for name, c := range cases {
			r.do("DELETE FROM bus_deliveries")
			r.addKeyed("k", 6)
			r.add("other", "key = 'other', seq = 100")
			if c.before != "" {
				r.do(c.before)
			}
			r.inTx(func(ctx context.Context) error {
				got, err := r.Deliveries().ClaimKey(ctx, "a", "sub", "k", c.seq, c.n, c.block)
				require.NoError(t, err, name)
				require.ElementsMatch(t, c.want, idsOf(got), name)
				return err
			})
			require.Equal(t, int64(len(c.want)), r.number("SELECT COUNT(*) FROM bus_deliveries WHERE owner = 'a'"), name)
		}
	})
}

func TestUnclaimGivesBackWhatTheTransactionClaimed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.add("e1", "")
		r.add("e2", "")
		r.add("e3", "state = 'running', owner = 'b'")
		r.inTx(func(ctx context.Context) error {
			_, err := r.Deliveries().ClaimUnkeyed(ctx, "a", "sub", 2)
			require.NoError(t, err)
			return r.Deliveries().Unclaim(ctx, "a", "sub", []string{"e2", "e3"})
		})
		require.Equal(t, "running a#2 try 2 crashes 0/0 behind 0", r.see("e1"))
		require.Equal(t, "pending #2 try 1 crashes 0/0 behind 0", r.see("e2"), "the token stays above that of earlier claims")
		require.Equal(t, "running b#1 try 1 crashes 0/0 behind 0", r.see("e3"))
	})
}

func TestHeldByListsOldClaimsOfOneProcess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.add("old", "state = 'running', owner = 'a', token = 7, claimed_at = {now} - 60000")
		r.add("new", "state = 'running', owner = 'a', claimed_at = {now}")
		r.add("others", "state = 'running', owner = 'b', claimed_at = {now} - 60000")
		r.add("pending", "owner = ''")
		got, err := r.Deliveries().HeldBy(r.ctx(), "a", 30*time.Second)
		require.NoError(t, err)
		require.Equal(t, []Held{{EventID: "old", StoredAs: "sub", Token: 7}}, got)
	})
}
