package eventbus

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"plugboard/app"
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
	return a.change(ctx, "replay", f, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = 0, ends = 0, alone = 0, due_at = {now}, token = `+nextToken+`,
		parked_at = 0 WHERE event_id = ? AND subscription = ? AND state = 'dead'`)
}

// Discard deletes the dead deliveries that f selects and returns how many. What dies meanwhile is left alone.
func (a *Admin) Discard(ctx context.Context, f Filter) (int, error) {
	return a.change(ctx, "discard", f, `DELETE FROM bus_deliveries WHERE event_id = ? AND subscription = ? AND state = 'dead'`)
}

// changeBatch is how many deliveries are changed in one transaction.
const changeBatch = 200

func (a *Admin) change(ctx context.Context, action string, f Filter, statement string) (total int, err error) {
	f.State, f.Limit = "dead", changeBatch
	// What died may have done so later than now: the clock may have been set back.
	err = a.store.query(ctx, func(r *sql.Rows) error { return r.Scan(&f.diedBefore) },
		`SELECT MAX(t) FROM (SELECT {now} AS t UNION ALL SELECT MAX(failed_at) FROM bus_deliveries WHERE state = 'dead') died`)
	for more := true; more && err == nil; {
		var changed int
		var last DeliveryInfo
		err = a.store.db.InTx(ctx, func(ctx context.Context) (err error) {
			changed, last, more, err = a.changeSome(ctx, action, f, statement)
			return err
		})
		if err == nil {
			total += changed
			f.afterEvent, f.afterSubscription = last.EventID, last.Subscription
		}
	}
	if err != nil {
		return total, fmt.Errorf("%s deliveries: %w", action, err)
	}
	return total, nil
}

// changeSome changes one batch of the deliveries that f selects, and reports which was the last and whether there may be more.
func (a *Admin) changeSome(ctx context.Context, action string, f Filter, statement string) (changed int, last DeliveryInfo, more bool, err error) {
	deliveries, err := a.Deliveries(ctx, f)
	if err != nil {
		return 0, last, false, err
	}
	for _, d := range deliveries {
		n, err := a.store.exec(ctx, statement, d.EventID, d.Subscription)
		if err != nil {
			return 0, last, false, err
		}
		last = d
		if n == 0 { // another operator was faster
			continue
		}
		if err := a.store.setNextReady(ctx, d.Subscription, d.Key); err != nil {
			return 0, last, false, err
		}
		if err := a.record(ctx, action, d.EventID, d.Subscription, d.Error); err != nil {
			return 0, last, false, err
		}
		changed++
	}
	return changed, last, len(deliveries) == f.Limit, nil
}

func (a *Admin) record(ctx context.Context, action, event, subscription, detail string) error {
	_, err := a.store.exec(ctx, `INSERT INTO bus_actions (id, at, action, actor, event_id, subscription, detail) VALUES (?, {now}, ?, ?, ?, ?, ?)`,
		uuid.Must(uuid.NewV7()).String(), action, a.actor, event, subscription, detail)
	if err != nil {
		return fmt.Errorf("record %s: %w", action, err)
	}
	return nil
}

// Retire has a subscription that no version uses any more get no new events. What it has not handled is kept until it
// is adopted or its subscription comes back. One that this build has is refused: it would come back at once.
func (a *Admin) Retire(ctx context.Context, name string) error {
	if a.known[name] {
		return inUse(name)
	}
	return a.store.db.InTx(ctx, func(ctx context.Context) error {
		n, err := a.store.exec(ctx, `UPDATE bus_subscriptions SET state = 'retired' WHERE name = ?`, name)
		if err != nil {
			return fmt.Errorf("retire subscription: %w", err)
		}
		if n == 0 {
			return app.Errorf(app.NotFound, "there is no subscription %q", name)
		}
		if err := a.store.forgetSchedule(ctx, name); err != nil {
			return fmt.Errorf("retire schedule: %w", err)
		}
		return a.record(ctx, "retire", "", name, "")
	})
}

// Run has a durable schedule of this build run once, now, besides its times: by a process of the service, as soon as the
// last run is done. Asking again before that changes nothing. The error is app.NotFound when no process has registered
// a schedule of that name.
func (a *Admin) Run(ctx context.Context, name string) error {
	if !slices.ContainsFunc(a.schedules, func(sc *schedule) bool { return sc.name == name }) {
		return app.Errorf(app.NotFound, "there is no schedule %q in this version of the service", name)
	}
	return a.store.db.InTx(ctx, func(ctx context.Context) error {
		known, err := a.store.askSchedule(ctx, name)
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

// Adopt moves what subscription from has not handled, dead deliveries included, to subscription to of the same topic: also
// what a process is at work on and gives back, and what is stored for from before all processes know. It refuses a
// from that this build has. An event that was for both and that to has handled already reaches it again: which events it
// has handled is not kept.
func (a *Admin) Adopt(ctx context.Context, from, to string) error {
	if from == to {
		return app.Errorf(app.Invalid, "a subscription cannot adopt itself")
	}
	if a.known[from] {
		return inUse(from)
	}
	known, err := a.Subscriptions(ctx)
	if err != nil {
		return fmt.Errorf("adopt subscription: %w", err)
	}
	topics := make(map[string]string, len(known))
	for _, s := range known {
		topics[s.Name] = s.Topic
	}
	for _, name := range []string{from, to} {
		if topics[name] == "" {
			return app.Errorf(app.NotFound, "there is no subscription %q", name)
		}
	}
	if !sameTopic(topics[from], topics[to]) {
		return app.Errorf(app.Invalid, "subscription %q takes %s and %q takes %s; one cannot adopt the other's events",
			from, topics[from], to, topics[to])
	}
	return a.store.db.InTx(ctx, func(ctx context.Context) error {
		if err := a.store.rename(ctx, from, to); err != nil {
			return fmt.Errorf("adopt subscription: %w", err)
		}
		return a.record(ctx, "adopt", "", to, "from "+from)
	})
}

// Actions lists recorded interventions, latest first.
func (a *Admin) Actions(ctx context.Context, limit int) ([]Action, error) {
	return a.actions(ctx, "", limit)
}

// actions lists those of an event, or all when the event is "".
func (a *Admin) actions(ctx context.Context, event string, limit int) ([]Action, error) {
	var out []Action
	err := a.store.query(ctx, func(r *sql.Rows) error {
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
