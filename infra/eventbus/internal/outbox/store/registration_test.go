package store

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/eventbus/internal/message"
)

// named returns a subscription to topic t.
func named(name string, formerly ...string) *message.Subscription {
	return &message.Subscription{Name: name, Formerly: formerly, Topic: "t", Plugin: "p", Source: "p.go:1"}
}

// register registers the subscriptions of a build and returns the names under which their deliveries are stored.
func (r rig) register(all ...*message.Subscription) string {
	r.t.Helper()
	var stored []string
	r.inTx(func(ctx context.Context) (err error) {
		stored, _, err = r.Subscriptions().RegisterAll(ctx, all)
		return err
	})
	return strings.Join(stored, " ")
}

// names describes each name: whether it is active, and where its deliveries are stored.
func (r rig) names() string {
	r.t.Helper()
	names, err := r.Subscriptions().Names(r.ctx())
	require.NoError(r.t, err)
	var all []string
	for _, name := range r.texts("SELECT name FROM bus_subscriptions ORDER BY name") {
		text := name + " " + names[name].State
		if by := names[name].AdoptedBy; by != "" {
			text += " in " + by
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestABuildRegistersItsSubscriptions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addName("retired", "t", "retired", "", 5)
		r.addName("theirs", "u", "active", "", 5)
		r.inTx(func(ctx context.Context) error {
			stored, topics, err := r.Subscriptions().RegisterAll(ctx, []*message.Subscription{named("new"), named("retired")})
			require.Equal(t, []string{"new", "retired"}, stored)
			require.Equal(t, map[string]bool{"u": true}, topics, "before")
			return err
		})
		require.Equal(t, "new active, retired active, theirs active", r.names())
		require.Equal(t, []string{"theirs"}, r.texts("SELECT name FROM bus_subscriptions WHERE seen_at = 5"))
	})
}

// A rename, its rollback and both versions side by side move nothing: the deliveries stay under the first name.
func TestARenamedSubscriptionKeepsItsPlace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		require.Equal(t, "mail", r.register(named("mail")))
		r.addTo("mail", "e", "token = 7")
		for range 2 {
			require.Equal(t, "mail", r.register(named("letters", "mail")))
			require.Equal(t, "letters retired in mail, mail active", r.names())
			require.Equal(t, "mail", r.register(named("mail")), "the rollback")
			require.Equal(t, "letters retired in mail, mail active", r.names())
		}
		require.Equal(t, "mail", r.register(named("post", "letters", "mail")))
		require.Equal(t, "letters retired in mail, mail active, post retired in mail", r.names())
		require.Equal(t, "pending #7 try 1 crashes 0/0 behind 0", r.seeOf("mail", "e"))
	})
}

// A version makes one subscription of two. An event for both was then handled twice.
func TestFormerNamesThatWereSubscriptionsAreJoined(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.register(named("a"), named("b"))
		r.addTo("a", "both", "")
		r.addTo("b", "both", "")
		r.addTo("b", "b alone", "")
		r.addTo("b", "running", "state = 'running', owner = 'x'")
		require.Equal(t, "a", r.register(named("ab", "a", "b")))
		require.Equal(t, "a active, ab retired in a, b retired in a", r.names())
		require.Equal(t, []string{"a/b alone", "a/both", "b/running"}, r.texts("SELECT subscription || '/' || event_id FROM bus_deliveries ORDER BY 1"))
		names, err := r.Subscriptions().Names(r.ctx())
		require.NoError(t, err)
		require.False(t, names["b"].Unclaimed, "a process has what is left")
		r.do("UPDATE bus_deliveries SET state = 'pending' WHERE event_id = 'running'")
		names, err = r.Subscriptions().Names(r.ctx())
		require.NoError(t, err)
		require.True(t, names["b"].Unclaimed)
	})
}

// The version before had one subscription with two names, and this version has a subscription for each name. The subscription whose name
// was used last gets the waiting deliveries.
func TestTwoNamesOfOneSubscriptionAreParted(t *testing.T) {
	t.Parallel()
	for last, other := range map[string]string{"mail": "letters", "letters": "mail"} {
		t.Run(last, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, r rig) {
				r.register(named("mail"))
				r.register(named("letters", "mail"))
				r.addTo("mail", "e", "")
				r.do("UPDATE bus_subscriptions SET seen_at = CASE WHEN name = ? THEN 2 ELSE 1 END", last)
				require.Equal(t, "letters mail", r.register(named("letters"), named("mail")))
				require.Equal(t, "letters active, mail active", r.names())
				require.NotEqual(t, "gone", r.seeOf(last, "e"))
				require.Equal(t, "gone", r.seeOf(other, "e"))
			})
		})
	}
}

// A subscription lists a former name that belonged to another subscription of the same build. It gets only this name; the other
// subscription keeps its deliveries.
func TestAFormerNameThatStoodForAnotherIsTakenOverAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.register(named("mail"))
		r.register(named("letters", "mail"))
		r.addTo("mail", "e1", "")
		r.addTo("letters", "e2", "") // of a version that knew no names
		require.Equal(t, "mail post", r.register(named("mail"), named("post", "letters")))
		require.Equal(t, "letters retired in post, mail active, post active", r.names())
		require.Equal(t, []string{"mail/e1", "post/e2"}, r.texts("SELECT subscription || '/' || event_id FROM bus_deliveries ORDER BY 1"))
	})
}

// Somebody has edited the table so that names refer to each other in a circle. The service must start all the same.
func TestACircleOfNamesIsCut(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addName("a", "t", "retired", "b", 1)
		r.addName("b", "t", "retired", "c", 2)
		r.addName("c", "t", "retired", "a", 3)
		stored := r.register(named("a", "b", "c"))
		names, err := r.Subscriptions().Names(r.ctx())
		require.NoError(t, err)
		require.Equal(t, "active", names[stored].State, r.names())
		for _, name := range []string{"a", "b", "c"} {
			require.Equal(t, stored, names.StoredAs(name), r.names())
		}
		before := r.names()
		require.Equal(t, stored, r.register(named("a", "b", "c")))
		require.Equal(t, before, r.names(), "the next start changes nothing")
	})
}

func TestANameKeepsItsTopicWhileDeliveriesAreLeft(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.register(named("mail"))
		r.addTo("mail", "e", "")
		try := func(s *message.Subscription) error {
			return r.DB.InTx(r.ctx(), func(ctx context.Context) error {
				_, _, err := r.Subscriptions().RegisterAll(ctx, []*message.Subscription{s})
				return err
			})
		}
		moved := named("mail")
		moved.Topic = "u"
		require.EqualError(t, try(moved), `register subscription mail: plugin p (p.go:1): subscription "mail" is for topic u now, but 1 deliveries of topic t `+
			`are stored under its name; give the subscription another name with app.Named`)
		renamed := named("others", "mail")
		renamed.Topic = "u"
		require.EqualError(t, try(renamed), `register subscription others: plugin p (p.go:1): app.Formerly lists "mail" of topic t, but subscription "others" is for topic u; `+
			`remove the old name`)
		require.Equal(t, "mail active", r.names(), "nothing of the refused build is left")
		r.do("DELETE FROM bus_deliveries")
		require.NoError(t, try(moved))
	})
}

// Former names are deleted when no process has used them for long and no deliveries are stored under them.
func TestOldNamesAreForgotten(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		long := forgetAfter.Milliseconds() + 1000
		for name, columns := range map[string]string{
			"forgotten": "seen_at = {now} - %d, adopted_at = {now} - %[1]d",
			"seen":      "seen_at = {now} - 1000, adopted_at = {now} - %d",
			"adopted":   "seen_at = {now} - %d, adopted_at = {now} - 1000",
			"left":      "seen_at = {now} - %d, adopted_at = {now} - %[1]d",
		} {
			r.addName(name, "t", "retired", "mail", 0)
			r.do(fmt.Sprintf("UPDATE bus_subscriptions SET "+columns+" WHERE name = ?", long), name)
		}
		r.addName("retired", "t", "retired", "", 0)
		r.addTo("left", "e", "state = 'running'")
		r.register(named("mail"))
		require.Equal(t, "adopted retired in mail, left retired in mail, mail active, retired retired, seen retired in mail", r.names())
	})
}
