package consumer

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/infra/eventbus/internal/message"
)

func TestDeliveriesOfAKeyWaitForTheirNumbers(t *testing.T) {
	t.Parallel()
	c := pulled(t)
	defer end(t, c)
	one := c.ClaimKey("k", 1, true)
	require.NotNil(t, one)
	require.Nil(t, c.ClaimKey("k", 3, false), "2 is not this process's")
	require.Same(t, one, c.ClaimKey("k", 2, false))
	require.Same(t, one, c.ClaimKey("k", 3, false))
	require.Nil(t, c.ClaimKey("unknown", 7, false), "another process may have the numbers before it")

	first, second, third := item(c, "k", 1, one), item(c, "k", 2, one), item(c, "k", 3, one)
	require.True(t, c.Push(third))
	require.True(t, c.Push(second))
	require.True(t, c.Push(item(c, "other", 1, nil)))
	require.Equal(t, []string{"other1"}, names(pull(c)))
	require.True(t, c.Push(first))
	for _, d := range []*Item{first, second, third} {
		require.True(t, c.Waiting())
		require.Equal(t, []*Item{d}, pull(c), "one at a time")
		require.True(t, c.Working("k"))
		c.Advance(d)
	}
	require.False(t, c.Working("k"))
}

func TestARetryComesBeforeTheLaterOnesOfItsKey(t *testing.T) {
	t.Parallel()
	c := pulled(t)
	push(t, c, "k", "k")
	got := pull(c)
	require.Equal(t, []string{"k0"}, names(got))
	require.True(t, c.MakeReady(got[0]))
	got = pull(c)
	require.Equal(t, []string{"k0"}, names(got))
	c.Advance(got[0])
	require.Equal(t, []string{"k1"}, names(pull(c)))
	end(t, c)
	require.False(t, c.MakeReady(got[0]), "closed")
}

func TestADroppedDeliveryTakesTheRestOfItsKeyAlong(t *testing.T) {
	t.Parallel()
	c := pulled(t)
	defer end(t, c)
	order := c.ClaimKey("k", 1, true)
	for number := range int64(3) {
		c.ClaimKey("k", number+2, false)
		require.True(t, c.Push(item(c, "k", number+1, order)))
	}
	running := pull(c)
	require.Len(t, running, 1)
	require.True(t, c.StillOrders(running[0]))
	require.Equal(t, []string{"k2", "k3"}, names(c.Drop(running[0])))
	require.False(t, c.StillOrders(running[0]))
	require.False(t, c.Working("k"))
	require.False(t, c.Push(item(c, "k", 4, order)), "a publisher had claimed the number before")
	require.Empty(t, c.Drop(item(c, "", 0, nil)), "without a key nothing comes later")
}

func TestAnAdoptedKeyGoesOnOrIsForgotten(t *testing.T) {
	t.Parallel()
	c := pulled(t)
	defer end(t, c)
	order := c.Adopt("k", 5, 6)
	require.NotNil(t, order)
	require.Nil(t, c.Adopt("k", 5, 6), "the claim that has begun is still to end")
	require.Same(t, order, c.ClaimKey("k", 7, false), "a publisher goes on behind it")
	require.True(t, c.Push(item(c, "k", 7, order)))
	require.Equal(t, []string{"k7"}, names(c.Forget("k", order)), "the claim failed")
	require.Nil(t, c.ClaimKey("k", 8, false))
	require.Empty(t, c.Forget("k", order), "twice")

	again := c.Adopt("k", 5, 5)
	require.True(t, c.Push(item(c, "k", 5, again)))
	c.Advance(pull(c)[0])
	require.NotNil(t, c.Adopt("k", 6, 6), "nothing is left of it")
}

func TestANumberThatIsGivenBackIsFreeForOthers(t *testing.T) {
	t.Parallel()
	c := pulled(t)
	defer end(t, c)
	order := c.ClaimKey("k", 1, true)
	c.ClaimKey("k", 2, false)
	require.Empty(t, c.UnclaimKey("k", order, 2), "the last one: the next publisher gets it")
	require.Same(t, order, c.ClaimKey("k", 2, false))
	require.True(t, c.Push(item(c, "k", 2, order)))
	require.Equal(t, []string{"k2"}, names(c.UnclaimKey("k", order, 1)), "another process may take 1")
	require.Nil(t, c.ClaimKey("k", 3, false))
}

// When a number never came, the later deliveries of its key waited as long as the process lived.
func TestAKeyThatWaitsForANumberInVainIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := pulled(t)
		defer end(t, c)
		order := c.ClaimKey("k", 1, true)
		c.ClaimKey("k", 2, false)
		require.True(t, c.Push(item(c, "k", 2, order)))
		push(t, c, "busy")
		pull(c)
		require.Empty(t, c.GiveUpStuck(time.Minute), "seen for the first time")
		<-time.After(59 * time.Second)
		require.Empty(t, c.GiveUpStuck(time.Minute))
		<-time.After(time.Second)
		require.Equal(t, []string{"k2"}, names(c.GiveUpStuck(time.Minute)), "and not the key that runs")
		require.True(t, c.Working("busy"))
	})
}

func TestKeysWithoutDeliveriesAreForgotten(t *testing.T) {
	t.Parallel()
	c := New(&message.Subscription{Name: "s"}, &owner{}, Options{Capacity: 3 * maxIdleKeys, OwnerRuns: true})
	c.Start(t.Context())
	defer end(t, c)
	push(t, c, "kept")
	kept := pull(c)
	for i := range 2 * maxIdleKeys {
		push(t, c, fmt.Sprint("k", i))
		c.Advance(pull(c)[0])
	}
	require.LessOrEqual(t, len(c.keys), maxIdleKeys)
	require.True(t, c.StillOrders(kept[0]), "its delivery runs")
}
