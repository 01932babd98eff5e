package admin

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

func TestAFilterSelectsDeliveries(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.name("mail", "t", "active", "")
		d.name("former", "t", "retired", "mail")
		d.event("e1", "t", "mail", "other")
		d.event("e2", "u", "mail")
		d.deliver("e3", "dead", "former", "mail")
		for _, c := range []struct {
			filter Filter
			want   []string
			all    int
		}{
			{Filter{}, []string{"e1/mail", "e1/other", "e2/mail", "e3/former", "e3/mail"}, 5},
			{Filter{EventID: "e1"}, []string{"e1/mail", "e1/other"}, 2},
			{Filter{Topic: "u"}, []string{"e2/mail"}, 1},
			{Filter{State: "dead"}, []string{"e3/former", "e3/mail"}, 2},
			{Filter{Subscription: "mail"}, []string{"e1/mail", "e2/mail", "e3/mail"}, 3},
			{Filter{Subscription: "former"}, []string{"e1/mail", "e2/mail", "e3/former", "e3/mail"}, 4},
			{Filter{Subscription: "former", State: "dead", Limit: 1}, []string{"e3/former"}, 2},
			{Filter{Subscription: "none"}, []string{}, 0},
			{Filter{Limit: 2}, []string{"e1/mail", "e1/other"}, 5},
			{Filter{afterEvent: "e1", afterSubscription: "other"}, []string{"e2/mail", "e3/former", "e3/mail"}, 3},
			{Filter{State: "dead", diedBefore: 0}, []string{"e3/former", "e3/mail"}, 2},
			{Filter{EventID: "e3", diedBefore: 1}, []string{"e3/former", "e3/mail"}, 2},
		} {
			all, err := d.Deliveries(d.ctx(), c.filter)
			require.NoError(t, err)
			got := []string{}
			for _, x := range all {
				got = append(got, x.EventID+"/"+x.storedAs)
			}
			require.Equal(t, c.want, got, "%+v", c.filter)
			n, err := d.Count(d.ctx(), c.filter)
			require.NoError(t, err)
			require.Equal(t, c.all, n, "%+v", c.filter)
		}
	})
}

func TestADeliveryIsListedWhole(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.name("first", "t", "active", "")
		d.name("letters", "t", "retired", "first")
		d.event("e1", "t", "first")
		d.do("UPDATE bus_deliveries SET parked_at = 4000, error = 'unreadable'")
		all, err := d.Deliveries(d.ctx(), Filter{Subscription: "letters"})
		require.NoError(t, err)
		require.Equal(t, []Delivery{{
			EventID: "e1", Topic: "t", Key: "k", Subscription: "letters", State: "pending", Attempts: 3, Error: "unreadable", Emitter: "p", Parent: "cause",
			RequestID: "r", Principal: "ann", Headers: map[string]string{"colour": "red"}, Payload: `{"id":1}`, PublishedAt: time.UnixMilli(1000).UTC(),
			DueAt: time.UnixMilli(2000).UTC(), FailedAt: time.UnixMilli(1).UTC(), ParkedUntil: time.UnixMilli(4000).Add(time.Hour).UTC(), storedAs: "first", parkedAt: time.UnixMilli(4000).UTC(),
		}}, all)
	})
}

// A delivery without an event, or with headers that cannot be read, is listed all the same, since operators look for such deliveries.
func TestADamagedDeliveryIsListed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.event("bad headers", "t", "mail")
		d.do("UPDATE bus_events SET headers = '{bad'")
		d.deliver("no event", "dead", "mail")
		all, err := d.Deliveries(d.ctx(), Filter{})
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.Nil(t, all[0].Headers)
		require.Equal(t, `{"id":1}`, all[0].Payload)
		require.Equal(t, []any{"no event", "", "", time.Time{}}, []any{all[1].EventID, all[1].Topic, all[1].Payload, all[1].PublishedAt})
		event, err := d.Event(d.ctx(), "bad headers")
		require.NoError(t, err)
		require.Nil(t, event.Headers)
	})
}

func TestAnEventIsShownWithWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.event("e1", "t", "other")
		d.deliver("e1", "dead", "mail")
		d.deliver("e2", "dead", "mail")
		_, err := d.Replay(d.ctx(), Filter{})
		require.NoError(t, err)
		event, err := d.Event(d.ctx(), "e1")
		require.NoError(t, err)
		require.Len(t, event.Deliveries, 2)
		require.Len(t, event.Actions, 1)
		event.Deliveries, event.Actions = nil, nil
		require.Equal(t, Event{
			ID: "e1", Topic: "t", Key: "k", Emitter: "p", Parent: "cause", RequestID: "r", Principal: "ann", Trace: "x", Number: 9007199254740993,
			Headers: map[string]string{"colour": "red"}, Payload: `{"id":1}`, PublishedAt: time.UnixMilli(1000).UTC(),
		}, event)
		_, err = d.Event(d.ctx(), "e2")
		require.Equal(t, app.NotFound, app.CodeOf(err), "%v", err)
		latest, err := d.Actions(d.ctx(), "", 1)
		require.NoError(t, err)
		require.Equal(t, "e2", latest[0].EventID)
	})
}

func TestSubscriptionsAreListedOnceWhateverTheirNames(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.name("first", "t", "active", "")
		d.name("letters", "t", "retired", "first")
		d.name("post", "t", "retired", "letters")
		d.name("gone", "u", "active", "")
		d.name("retired", "u", "retired", "")
		d.event("e1", "t", "first", "post", "only deliveries")
		d.deliver("e2", "dead", "first")
		d.deliver("e3", "running", "first", "gone")
		d.do("UPDATE bus_deliveries SET parked_at = 4000 WHERE event_id = 'e1' AND subscription = 'first'")
		all, err := d.Subscriptions(d.ctx())
		require.NoError(t, err)
		var got []string
		for _, s := range all {
			orphan := ""
			if s.Orphan {
				orphan = " orphan"
			}
			got = append(got, fmt.Sprintf("%s %v of %s: %s%s %d/%d/%d parked %d", s.Name, s.Names, s.Topic, s.State, orphan, s.Pending, s.Running, s.Dead, s.Parked))
		}
		require.Equal(t, []string{
			"gone [] of u: active orphan 0/1/0 parked 0",
			"letters [first post] of t: active 1/1/1 parked 1",
			"only deliveries [] of t: retired 1/0/0 parked 0",
			"post [] of t: retired 1/0/0 parked 0",
			"retired [] of u: retired 0/0/0 parked 0",
		}, got)
		require.Equal(t, time.UnixMilli(4000).Add(time.Hour).UTC(), all[1].ParkedUntil)
		require.Equal(t, time.UnixMilli(1).UTC(), all[1].RunningSince)
	})
}
