package admin

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app/apptest/emptydb"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// desk is an operator's side of a new database. Its build has the durable subscriptions "mail" and "letters".
type desk struct {
	*Admin
	t *testing.T
}

// each runs test on a new SQLite file and in a new schema of the Postgres server.
func each(t *testing.T, test func(t *testing.T, d desk)) {
	t.Helper()
	for name, url := range map[string]func(testing.TB) string{"sqlite": emptydb.SQLite, "postgres": emptydb.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			known := map[string]bool{"mail": true, "letters": true, "a volatile one": false}
			db := emptydb.Open(t, url(t), store.Migrations())
			test(t, desk{New(store.New(db), "ann@desk", known, nil, 30*time.Second, time.Hour), t})
		})
	}
}

func (d desk) ctx() context.Context { return d.t.Context() }

func (d desk) do(statement string, args ...any) {
	d.t.Helper()
	_, err := d.store.Exec(d.ctx(), statement, args...)
	require.NoError(d.t, err)
}

// name stores a name of a subscription to a topic, as one that was seen long ago.
func (d desk) name(name, topic, state, adoptedBy string) {
	d.t.Helper()
	d.do(`INSERT INTO bus_subscriptions (name, topic, plugin, state, created_at, seen_at, adopted_by, adopted_at) VALUES (?, ?, 'p', ?, 0, 1, ?, 0)`,
		name, topic, state, adoptedBy)
}

// event stores an event of topic t, or another, with pending deliveries.
func (d desk) event(id, topic string, subscriptions ...string) {
	d.t.Helper()
	d.do(`INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, principal_id, trace, headers, payload, published_at)
		VALUES (?, ?, 'k', 9007199254740993, 'p', 'cause', 'r', 'ann', 'x', '{"colour":"red"}', '{"id":1}', 1000)`, id, topic)
	d.deliver(id, "pending", subscriptions...)
}

func (d desk) deliver(id, state string, subscriptions ...string) {
	d.t.Helper()
	for _, name := range subscriptions {
		d.do(`INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at, failed_at)
			VALUES (?, ?, 'k', 1, ?, '', 1, 3, 2000, 1, 1)`, id, name, state)
	}
}

// left lists the deliveries as "subscription/event state".
func (d desk) left() []string {
	d.t.Helper()
	all, err := d.Deliveries(d.ctx(), Filter{})
	require.NoError(d.t, err)
	texts := []string{}
	for _, x := range all {
		texts = append(texts, x.storedAs+"/"+x.EventID+" "+x.State)
	}
	return texts
}

// done lists the recorded actions as "action event subscription detail", the first first.
func (d desk) done() []string {
	d.t.Helper()
	all, err := d.Actions(d.ctx(), "", 1000)
	require.NoError(d.t, err)
	texts := []string{}
	for _, x := range all {
		require.Equal(d.t, "ann@desk", x.Actor)
		require.WithinDuration(d.t, time.Now(), x.At, time.Minute)
		texts = append([]string{strings.Join([]string{x.Action, x.EventID, x.Subscription, x.Detail}, "|")}, texts...)
	}
	return texts
}
