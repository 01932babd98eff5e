package message

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"plugboard/app"
)

func TestAMessageHasOneIDWhoeverAsks(t *testing.T) {
	t.Parallel()
	m := &Message{}
	ids := make([]string, 8)
	var askers sync.WaitGroup
	for i := range ids {
		askers.Go(func() { ids[i] = m.ID() })
	}
	askers.Wait()
	for _, id := range ids {
		require.Equal(t, m.ID(), id)
	}
	parsed, err := uuid.Parse(m.ID())
	require.NoError(t, err)
	require.EqualValues(t, 7, parsed.Version())
	require.NotEqual(t, m.ID(), (&Message{}).ID())
	m.SetID("stored")
	require.Equal(t, "stored", m.ID())
}

func TestTimesAreAsTheDatabaseKeepsThem(t *testing.T) {
	t.Parallel()
	now := Now()
	require.Equal(t, time.UTC, now.Location())
	require.Equal(t, now.Truncate(time.Millisecond), now)
	require.WithinDuration(t, time.Now(), now, time.Minute)
}

func TestSchedulesCountAsOneTopic(t *testing.T) {
	t.Parallel()
	require.True(t, SameTopic("a.b", "a.b"))
	require.False(t, SameTopic("a.b", "a.c"))
	require.True(t, SameTopic("_due.a", "_due.b"))
	require.False(t, SameTopic("_due.a", "a"))
}

func TestErrorTextIsStorable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":                          "plain",
		"nul \x00, broken \xff":          "nul �, broken �",
		strings.Repeat("a", 5000):        strings.Repeat("a", 4096),
		strings.Repeat("a", 4095) + "ü…": strings.Repeat("a", 4095) + "�",
	} {
		require.Equal(t, want, ErrorText(errors.New(text)))
	}
}

func TestADeadDeliveryIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	m := &Message{Envelope: &Envelope{Topic: "a.b", Emitter: "e", RequestID: "r", Principal: "ann", Trace: "t"}, Key: "k", Time: Now()}
	d := &Delivery{Message: m, Subscription: &Subscription{Name: "s"}, Attempt: 3}
	announced, ok := DeadLetter(d, errors.New("broken"))
	require.True(t, ok)
	require.Equal(t, "_dlq.a.b", announced.Topic)
	require.Equal(t, []string{m.ID(), "r", "ann", "t"}, []string{announced.Parent, announced.RequestID, announced.Principal, announced.Trace})
	require.Contains(t, string(announced.Payload), `"error":"broken"`)
	require.Contains(t, string(announced.Payload), m.ID())
	_, ok = DeadLetter(&Delivery{Message: announced, Subscription: d.Subscription}, errors.New("broken too"))
	require.False(t, ok)
}

func TestADeliverySharesNothingWithItsMessage(t *testing.T) {
	t.Parallel()
	m := &Message{Envelope: &Envelope{Topic: "a.b", Headers: map[string]string{"n": "1"}}, Time: Now()}
	d := &Delivery{Message: m, Subscription: &Subscription{Name: "s", Plugin: "p"}, Attempt: 2}
	got := d.Delivery()
	got.Headers["n"] = "2"
	require.Equal(t, "1", m.Headers["n"])
	require.Equal(t, "p", d.NewCall().Plugin)
	require.NoError(t, d.Complete(t.Context()), "there is nothing to complete")

	first, second := d.Context(t.Context(), d), d.Context(t.Context(), d)
	require.NotSame(t, first, second, "the handler may have kept the first one")
	for _, ctx := range []context.Context{first, second} {
		of, ok := app.DeliveryFrom(ctx)
		require.True(t, ok)
		require.Equal(t, m.ID(), of.EventID)
	}
}

func TestADeliveryIsQuarantinedAfterItsSecondCrash(t *testing.T) {
	t.Parallel()
	require.False(t, Claim{Crashes: 1}.Quarantined())
	require.True(t, Claim{Crashes: 2}.Quarantined())
}
