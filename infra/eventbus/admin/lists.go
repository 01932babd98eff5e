package admin

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/go-json-experiment/json"

	"plugboard/app"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// matching is true for the deliveries d, with their events e, that a Filter selects.
const matching = `(? = '' OR d.event_id = ?) AND (? = '' OR d.subscription {in list}) AND (? = '' OR e.topic = ?) AND (? = '' OR d.state = ?)
		AND (CAST(? AS BIGINT) = 0 OR d.failed_at <= ?) AND (d.event_id, d.subscription) > (?, ?)`

// args returns the arguments of matching.
func (f Filter) args() []any {
	return []any{f.EventID, f.EventID, f.Subscription, store.JSONList(f.storedAs), f.Topic, f.Topic, f.State, f.State, f.diedBefore, f.diedBefore,
		f.afterEvent, f.afterSubscription}
}

// resolve sets f.storedAs: the name under which the deliveries of the subscription are stored, and the given name, since deliveries may
// still be stored under this name.
func (a *Admin) resolve(ctx context.Context, f *Filter) (store.Names, error) {
	names, err := a.store.Subscriptions().Names(ctx)
	if f.Subscription != "" {
		f.storedAs = []string{f.Subscription, names.StoredAs(f.Subscription)}
	}
	return names, err
}

// Deliveries lists stored deliveries, oldest first. When the event of a delivery has been deleted, all fields of the event except its id
// are empty.
func (a *Admin) Deliveries(ctx context.Context, f Filter) ([]Delivery, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	names, err := a.resolve(ctx, &f)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	all, err := store.List(ctx, a.store, func(d *Delivery) []any {
		return []any{
			&d.EventID, &d.Topic, &d.Key, &d.storedAs, &d.State, &d.Attempts, &d.Error, &d.Emitter, &d.Parent, &d.RequestID, &d.Principal,
			headers{&d.Headers}, &d.Payload,
			store.Millis{Time: &d.PublishedAt}, store.Millis{Time: &d.DueAt}, store.Millis{Time: &d.FailedAt}, store.Millis{Time: &d.parkedAt},
		}
	}, `SELECT d.event_id, COALESCE(e.topic, ''), d.key, d.subscription, d.state, d.attempts, d.error, COALESCE(e.emitter, ''),
			COALESCE(e.parent, ''), COALESCE(e.request_id, ''), COALESCE(e.principal_id, ''), COALESCE(e.headers, ''), COALESCE(e.payload, ''),
			COALESCE(e.published_at, 0), d.due_at, d.failed_at, d.parked_at
		FROM bus_deliveries d LEFT JOIN bus_events e ON e.id = d.event_id
		WHERE `+matching+` ORDER BY d.event_id, d.subscription LIMIT ?`, append(f.args(), f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	for i := range all {
		d := &all[i]
		d.Subscription = d.storedAs
		if row, ok := names[d.storedAs]; ok && row.AdoptedBy == "" {
			d.Subscription = names.DisplayName(d.storedAs, a.known)
		}
		if !d.parkedAt.IsZero() && d.State == "pending" {
			d.ParkedUntil = d.parkedAt.Add(a.park)
		}
	}
	return all, nil
}

// headers reads a column of stored headers. It leaves out headers that cannot be read, so that the delivery is listed all the same. The
// error of the delivery says that they cannot be read.
type headers struct{ to *map[string]string }

// Scan implements sql.Scanner.
func (h headers) Scan(value any) error {
	var text sql.NullString
	err := text.Scan(value)
	if json.Unmarshal([]byte(text.String), h.to) != nil {
		*h.to = nil
	}
	return err
}

// Count counts all deliveries that f selects, and ignores the limit of f.
func (a *Admin) Count(ctx context.Context, f Filter) (n int, err error) {
	if _, err = a.resolve(ctx, &f); err == nil {
		_, err = a.store.QueryRow(ctx, []any{&n},
			`SELECT COUNT(*) FROM bus_deliveries d LEFT JOIN bus_events e ON e.id = d.event_id WHERE `+matching, f.args()...)
	}
	if err != nil {
		return 0, fmt.Errorf("count deliveries: %w", err)
	}
	return n, nil
}

// Event returns an event with its deliveries and the operators' actions. The error is app.NotFound when the event is not stored.
func (a *Admin) Event(ctx context.Context, id string) (Event, error) {
	var e Event
	found, err := a.store.QueryRow(ctx, []any{
		&e.ID, &e.Topic, &e.Key, &e.Emitter, &e.Parent, &e.RequestID, &e.Principal, &e.Trace, headers{&e.Headers}, &e.Payload,
		store.Millis{Time: &e.PublishedAt}, &e.Number,
	}, `SELECT id, topic, key, emitter, parent, request_id, principal_id, trace, headers, payload, published_at, seq
		FROM bus_events WHERE id = ?`, id)
	if err != nil {
		return Event{}, fmt.Errorf("read event: %w", err)
	}
	if !found {
		return Event{}, app.Errorf(app.NotFound, "there is no event %q", id)
	}
	if e.Deliveries, err = a.Deliveries(ctx, Filter{EventID: id, Limit: math.MaxInt32}); err != nil {
		return Event{}, err
	}
	e.Actions, err = a.Actions(ctx, id, math.MaxInt32)
	return e, err
}

// Actions lists the operators' actions on an event, latest first. With event "", it lists all actions.
func (a *Admin) Actions(ctx context.Context, event string, limit int) ([]Action, error) {
	all, err := store.List(ctx, a.store, func(x *Action) []any {
		return []any{store.Millis{Time: &x.At}, &x.Action, &x.Actor, &x.EventID, &x.Subscription, &x.Detail}
	}, `SELECT at, action, actor, event_id, subscription, detail FROM bus_actions
		WHERE (? = '' OR event_id = ?) ORDER BY id DESC LIMIT ?`, event, event, limit)
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}
	return all, nil
}
