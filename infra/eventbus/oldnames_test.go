package eventbus_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/eventbus/admin"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox"
)

// mails is a plugin with a subscription to notes. The subscription is called mail and keeps its events.
func mails(to *seen[int64]) func(*app.Boot) {
	return subscribes(app.On(func(_ context.Context, e Note) error { to.add(e.ID); return nil }), app.Named("mail"))
}

// letters is the plugin mails with its subscription renamed to letters.
func letters(to *seen[int64]) func(*app.Boot) {
	return subscribes(app.On(func(_ context.Context, e Note) error { to.add(e.ID); return nil }), app.Named("letters"))
}

// A subscription lists its own name as a former name. It would move its deliveries to itself and delete them as duplicates. The check of
// plugins refuses it; here the check is left out.
func TestASubscriptionTakesNothingOverFromItself(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		r := start(t, at, settings(), publishes(Note{}), mails(&seen[int64]{}))
		r.publish(Note{ID: 7}, app.Delay(time.Hour))
		r.stop()
		outbox := outbox.New(settings(), r.db, zap.NewNop(), message.Hooks{})
		outbox.Subscribe(message.Subscription{
			Name: "mail", Formerly: []string{"mail"}, Topic: "note.taken", Concurrency: 1, Attempts: 1, Timeout: time.Minute,
			Handle: func(context.Context, *message.Delivery) error { return nil },
		})
		require.NoError(t, outbox.Start(t.Context()))
		require.NoError(t, outbox.Close(t.Context()))
		left, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{Subscription: "mail"})
		require.NoError(t, err)
		require.Len(t, left, 1)
	})
}

// A subscription moved to another topic, or listed a former name of another topic. It then got the events of the other topic with all
// fields empty.
func TestANameStandsForOneTopicAsLongAsSomethingIsLeftOfIt(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var notes seen[int64]
		var others seen[OtherRead]
		takesOthers := func(opts ...app.SubscribeOption) func(*app.Boot) {
			return subscribes(app.On(func(_ context.Context, e OtherRead) error { others.add(e); return nil }), opts...)
		}
		r := start(t, at, settings(), publishes(Note{}, Other{}), mails(&notes))
		r.publish(Note{ID: 7}, app.Delay(time.Hour))
		leave(t, r)

		r = prepare(t, at, settings(), publishes(Note{}, Other{}), takesOthers(app.Named("mail")))
		require.Regexp(t, `: plugin p1 \(\S+_test\.go:\d+\): subscription "mail" is for topic other\.made now, but 1 deliveries of topic note\.taken are stored under its name; give the subscription another name with app\.Named$`,
			fmt.Sprint(r.bus.Start(t.Context())))
		leave(t, r)
		r = prepare(t, at, settings(), publishes(Note{}, Other{}), takesOthers(app.Named("others"), app.Formerly("mail")))
		require.Regexp(t, `: plugin p1 \(\S+_test\.go:\d+\): app\.Formerly lists "mail" of topic note\.taken, but subscription "others" is for topic other\.made; remove the old name$`,
			fmt.Sprint(r.bus.Start(t.Context())))
		leave(t, r)

		r = start(t, at, settings(), publishes(Note{}, Other{}), mails(&notes), takesOthers(app.Named("others")))
		_, err := r.db.ExecContext(t.Context(), "UPDATE bus_deliveries SET due_at = 0")
		require.NoError(t, err)
		r.idle()
		require.Equal(t, []int64{7}, notes.all())
		leave(t, r)
		r = start(t, at, settings(), publishes(Note{}, Other{}), takesOthers(app.Named("mail")))
		r.publish(Other{ID: 8})
		r.idle()
		require.Equal(t, []OtherRead{{ID: 8}}, others.all(), "nothing is left of the notes")
	})
}

// Two versions use one name for different topics. Each leaves the events of the other topic to the other version.
func TestAnEventOfAnotherTopicIsLeftToOtherVersions(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	cfg := settings()
	cfg.Park = time.Minute
	var notes, others seen[int64]
	old := start(t, at, cfg, publishes(Note{}, Other{}), mails(&notes))
	start(t, at, cfg, publishes(Note{}, Other{}),
		subscribes(app.On(func(_ context.Context, e OtherRead) error { others.add(e.ID); return nil }), app.Named("mail")))
	old.stop()
	insert(t, old, "note.taken", "mail", `{"id":7}`)
	var parked []admin.Delivery
	require.Eventually(t, func() bool {
		var err error
		parked, err = old.bus.Admin("x").Deliveries(t.Context(), admin.Filter{State: "pending"})
		require.NoError(t, err)
		return len(parked) == 1 && parked[0].Error != ""
	}, 20*time.Second, 5*time.Millisecond)
	require.Contains(t, parked[0].Error, `of note.taken: unreadable payload: "mail" takes other.made`)
	require.Empty(t, others.all())
}

// A delivery runs while its subscription's old name is adopted, and is given back under the old name. It was stuck there, since no
// subscription listed the old name any more.
func TestWhatIsGivenBackToAnAdoptedSubscriptionFollows(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[int64]
		r := start(t, at, settings(), publishes(Note{}), mails(&got))
		r.publish(Note{ID: 7}, app.Delay(time.Hour))
		leave(t, r)
		r = start(t, at, settings(), publishes(Note{}), letters(&got))
		r.stop()
		_, err := r.db.ExecContext(t.Context(), "UPDATE bus_deliveries SET state = 'running', owner = 'a process that was killed', due_at = 0")
		require.NoError(t, err)
		require.NoError(t, r.bus.Admin("x").Adopt(t.Context(), "mail", "letters"))
		require.Equal(t, map[string]string{"mail": "retired 0/1/0", "letters": "active 0/0/0"}, subscriptions(t, r.bus.Admin("x")))
		leave(t, r)

		r = start(t, at, settings(), publishes(Note{}), letters(&got))
		require.Eventually(t, func() bool { return len(got.all()) == 1 }, 20*time.Second, 5*time.Millisecond)
		r.idle()
		require.Equal(t, map[string]string{"letters": "active 0/0/0"}, subscriptions(t, r.bus.Admin("x")))
		_, err = r.db.ExecContext(t.Context(), "UPDATE bus_subscriptions SET adopted_at = 0, seen_at = 0 WHERE name = 'mail'")
		require.NoError(t, err)
		leave(t, r)
		r = start(t, at, settings(), publishes(Note{}), letters(&got))
		require.Equal(t, []string{"letters"}, texts(t, r, "SELECT name FROM bus_subscriptions"), "what nothing can come for any more is forgotten")
	})
}

func texts(t *testing.T, r *rig, query string) (all []string) {
	t.Helper()
	rows, err := r.db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		all = append(all, text)
	}
	return all
}

// A process that does not know of an adoption yet stores deliveries under the old name. They must reach the new name.
func TestWhatIsPublishedForAnAdoptedSubscriptionFollows(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[int64]
		leave(t, start(t, at, settings(), publishes(Note{}), mails(&got)))
		cfg := settings()
		cfg.Poll = 500 * time.Millisecond
		r := start(t, at, cfg, publishes(Note{}), letters(&got))
		require.NoError(t, r.bus.Admin("x").Adopt(t.Context(), "mail", "letters"))
		r.publish(Note{ID: 7})
		require.Eventually(t, func() bool {
			left, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{})
			require.NoError(t, err)
			return len(left) == 0
		}, 20*time.Second, 5*time.Millisecond)
		require.Contains(t, got.all(), int64(7))
		require.Equal(t, map[string]string{"letters": "active 0/0/0"}, subscriptions(t, r.bus.Admin("x")))
	})
}

func TestANameThatOnlyDeliveriesHaveIsListedAndAdopted(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[int64]
		r := start(t, at, settings(), publishes(Note{}), letters(&got))
		insert(t, r, "note.taken", "mail", `{"id":7}`)
		require.Equal(t, map[string]string{"mail": "retired 1/0/0", "letters": "active 0/0/0"}, subscriptions(t, r.bus.Admin("x")))
		require.NoError(t, r.bus.Admin("x").Adopt(t.Context(), "mail", "letters"))
		r.idle()
		require.Equal(t, []int64{7}, got.all())
	})
}
