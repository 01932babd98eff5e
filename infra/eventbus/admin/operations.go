package admin

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"plugboard/app"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// Action is a recorded intervention of an operator.
type Action struct {
	At           time.Time `json:"at"`
	Action       string    `json:"action"`
	Actor        string    `json:"actor"`
	EventID      string    `json:"event_id"`
	Subscription string    `json:"subscription"`
	Detail       string    `json:"detail"`
}

// Replay makes the dead deliveries that f selects pending again, with the same event ids and fresh attempts, and
// returns how many. What dies again meanwhile is left alone.
func (a *Admin) Replay(ctx context.Context, f Filter) (int, error) {
	f.State = "dead"
	return a.change(ctx, "replay", f, store.ReplayDead)
}

// Discard deletes the dead deliveries that f selects and returns how many. What dies meanwhile is left alone.
//
// With State "pending" it deletes what waits for the subscription that f names: one that no version which is in use has. The
// error for any other is app.Conflict.
func (a *Admin) Discard(ctx context.Context, f Filter) (int, error) {
	if f.State != "pending" {
		f.State = "dead"
		return a.change(ctx, "discard", f, store.DiscardDead)
	}
	if err := a.CheckUnused(ctx, f.Subscription); err != nil {
		return 0, err
	}
	return a.change(ctx, "discard", f, `DELETE FROM bus_deliveries WHERE event_id = ? AND subscription = ? AND state = 'pending'`)
}

// CheckUnused returns an error, app.Conflict, unless this build and all processes of the service do without the
// subscription. It is app.NotFound when there is none of that name.
func (a *Admin) CheckUnused(ctx context.Context, name string) error {
	all, err := a.Subscriptions(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(s Subscription) bool { return s.Name == name })
	if i < 0 {
		i = slices.IndexFunc(all, func(s Subscription) bool { return slices.Contains(s.Names, name) })
	}
	switch {
	case i < 0:
		return noSubscription(name)
	case slices.ContainsFunc(append(all[i].Names, all[i].Name), func(n string) bool { return a.known[n] }):
		return inUse(name)
	}
	silent, err := a.store.Age(ctx, all[i].SeenAt)
	if err != nil {
		return fmt.Errorf("look at the time: %w", err)
	}
	if silent < a.lease {
		return app.Errorf(app.Conflict, "subscription %q was in use %s ago by a process of another version; stop that one, and wait for %s", name,
			max(0, silent.Round(time.Second)), a.lease)
	}
	return nil
}

// changeBatch is how many deliveries are changed in one transaction.
const changeBatch = 200

func (a *Admin) change(ctx context.Context, action string, f Filter, statement string) (total int, err error) {
	f.Limit = changeBatch
	if f.State == "dead" { // which may have been later than now: the clock may have been set back
		err = a.store.Query(ctx, func(r *sql.Rows) error { return r.Scan(&f.diedBefore) },
			`SELECT MAX(t) FROM (SELECT {now} AS t UNION ALL SELECT MAX(failed_at) FROM bus_deliveries WHERE state = 'dead') died`)
	}
	for more := true; more && err == nil; {
		var changed int
		var last Delivery
		err = a.store.DB.InTx(ctx, func(ctx context.Context) (err error) {
			changed, last, more, err = a.changeSome(ctx, action, f, statement)
			return err
		})
		if err == nil {
			total += changed
			f.afterEvent, f.afterSubscription = last.EventID, last.stored
		}
	}
	if err != nil {
		return total, fmt.Errorf("%s deliveries: %w", action, err)
	}
	return total, nil
}

// changeSome changes one batch of the deliveries that f selects, and reports which was the last and whether there may be more.
func (a *Admin) changeSome(ctx context.Context, action string, f Filter, statement string) (changed int, last Delivery, more bool, err error) {
	deliveries, err := a.Deliveries(ctx, f)
	if err != nil {
		return 0, last, false, err
	}
	for _, d := range deliveries {
		n, err := a.store.Exec(ctx, statement, d.EventID, d.stored)
		if err != nil {
			return 0, last, false, err
		}
		last = d
		if n == 0 { // another operator was faster
			continue
		}
		if err := a.store.Store.Deliveries().UnmarkNextBehind(ctx, d.stored, d.Key); err != nil {
			return 0, last, false, err
		}
		//crash:point during replay
		if err := a.record(ctx, action, d.EventID, d.Subscription, d.Error); err != nil {
			return 0, last, false, err
		}
		changed++
	}
	return changed, last, len(deliveries) == f.Limit, nil
}

func (a *Admin) record(ctx context.Context, action, event, subscription, detail string) error {
	_, err := a.store.Exec(ctx, `INSERT INTO bus_actions (id, at, action, actor, event_id, subscription, detail) VALUES (?, {now}, ?, ?, ?, ?, ?)`,
		uuid.Must(uuid.NewV7()).String(), action, a.actor, event, subscription, detail)
	if err != nil {
		return fmt.Errorf("record %s: %w", action, err)
	}
	return nil
}

// Retire has a subscription that no version uses any more get no new events. What it has not handled is kept until it
// is adopted or discarded, or its subscription comes back. One that this build has is refused: it would come back at once.
func (a *Admin) Retire(ctx context.Context, name string) error {
	return a.store.DB.InTx(ctx, func(ctx context.Context) error {
		stored, _, err := a.find(ctx, name)
		if err != nil {
			return err
		}
		if err := a.refuseKnown(ctx, name, stored); err != nil {
			return err
		}
		if _, err := a.store.Exec(ctx, `UPDATE bus_subscriptions SET state = 'retired' WHERE name = ?`, stored); err != nil {
			return fmt.Errorf("retire subscription: %w", err)
		}
		if err := a.store.Store.Schedules().Delete(ctx, stored); err != nil {
			return fmt.Errorf("retire schedule: %w", err)
		}
		return a.record(ctx, "retire", "", name, "")
	})
}

// Run has a durable schedule of this build run once, now, besides its times: by a process of the service, as soon as the
// last run is done. Asking again before that changes nothing. The error is app.NotFound when no process has registered
// a schedule of that name.
func (a *Admin) Run(ctx context.Context, name string) error {
	if !slices.ContainsFunc(a.schedules, func(sc KnownSchedule) bool { return sc.Name == name }) {
		return app.Errorf(app.NotFound, "there is no schedule %q in this version of the service", name)
	}
	return a.store.DB.InTx(ctx, func(ctx context.Context) error {
		names, err := a.store.Names(ctx)
		if err != nil {
			return err
		}
		known, err := a.store.Store.Schedules().RequestRun(ctx, names.StoredAs(name))
		if err != nil {
			return fmt.Errorf("ask for a run: %w", err)
		}
		if !known {
			return app.Errorf(app.NotFound, "schedule %q has not been registered yet: the service has not run with it", name)
		}
		return a.record(ctx, "run", "", name, "")
	})
}

func inUse(name string) error {
	return app.Errorf(app.Conflict, "subscription %q is in use by this version of the service", name)
}

func noSubscription(name string) error {
	return app.Errorf(app.NotFound, "there is no subscription %q", name)
}

// find returns the name under which the deliveries of a subscription are stored, and its topic. The subscription may be one
// that only deliveries have.
func (a *Admin) find(ctx context.Context, name string) (stored, topic string, err error) {
	known, err := a.store.Names(ctx)
	if err != nil {
		return "", "", err
	}
	if row, ok := known[name]; ok {
		return known.StoredAs(name), row.Topic, nil
	}
	topics, err := a.store.Topics(ctx, []string{name})
	if err != nil {
		return "", "", fmt.Errorf("look for deliveries to %s: %w", name, err)
	}
	if topics[name] == "" {
		return "", "", noSubscription(name)
	}
	return name, topics[name], nil
}

// refuseKnown refuses a subscription that this build has, under whatever name.
func (a *Admin) refuseKnown(ctx context.Context, name, stored string) error {
	known, err := a.store.Names(ctx)
	if err == nil && (a.known[name] || slices.ContainsFunc(known.NamesOf(stored), func(n string) bool { return a.known[n] })) {
		err = inUse(name)
	}
	return err
}

// Adopt has from be another name of subscription to, of the same topic: what from has not handled, dead deliveries included,
// goes to it, also what a process is at work on and gives back, and what is stored for from before all processes know. A
// version of the service that has from alone works for to from its next start on. Adopt refuses a from that this build has.
//
// Until then they were two: an event that was for both and that to has handled already reaches it again, since who has
// handled which event is not kept. A rename that says app.Formerly does not know this.
func (a *Admin) Adopt(ctx context.Context, from, to string) error {
	if from == to {
		return app.Errorf(app.Invalid, "a subscription cannot adopt itself")
	}
	if a.known[from] {
		return inUse(from)
	}
	return a.store.DB.InTx(ctx, func(ctx context.Context) error {
		if err := a.store.LockSubscriptions(ctx); err != nil {
			return fmt.Errorf("lock subscriptions: %w", err)
		}
		if err := a.adopt(ctx, from, to); err != nil {
			return err
		}
		return a.record(ctx, "adopt", "", to, "from "+from)
	})
}

func (a *Admin) adopt(ctx context.Context, from, to string) error {
	fromStored, fromTopic, err := a.find(ctx, from)
	if err != nil {
		return err
	}
	toStored, toTopic, err := a.find(ctx, to)
	if err != nil {
		return err
	}
	if !message.SameTopic(fromTopic, toTopic) {
		return app.Errorf(app.Invalid, "subscription %q takes %s and %q takes %s; one cannot adopt the other's events", from, fromTopic, to, toTopic)
	}
	if fromStored == toStored { // what is left under the name goes there, too
		return a.store.MoveDeliveries(ctx, from, toStored)
	}
	if err := a.refuseKnown(ctx, from, fromStored); err != nil {
		return err
	}
	for _, name := range []string{fromStored, toStored} { // one that only deliveries have gets a row
		if _, err := a.store.Exec(ctx, `INSERT INTO bus_subscriptions (name, topic, plugin, state, created_at, seen_at)
			VALUES (?, ?, '', 'retired', {now}, 0) ON CONFLICT (name) DO NOTHING`, name, toTopic); err != nil {
			return fmt.Errorf("note subscription %s: %w", name, err)
		}
	}
	if err := a.store.Rename(ctx, fromStored, toStored); err != nil {
		return fmt.Errorf("move what waits for %s: %w", from, err)
	}
	return nil
}

// Actions lists recorded interventions, latest first.
func (a *Admin) Actions(ctx context.Context, limit int) ([]Action, error) {
	return a.actions(ctx, "", limit)
}

// actions lists those of an event, or all when the event is "".
func (a *Admin) actions(ctx context.Context, event string, limit int) ([]Action, error) {
	var out []Action
	err := a.store.Query(ctx, func(r *sql.Rows) error {
		var x Action
		var at int64
		err := r.Scan(&at, &x.Action, &x.Actor, &x.EventID, &x.Subscription, &x.Detail)
		x.At = time.UnixMilli(at).UTC()
		out = append(out, x)
		return err
	}, `SELECT at, action, actor, event_id, subscription, detail FROM bus_actions
		WHERE (? = '' OR event_id = ?) ORDER BY id DESC LIMIT ?`, event, event, limit)
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}
	return out, nil
}
