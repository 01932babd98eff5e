package eventbus

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"plugboard/app"
)

// SubscriptionInfo describes a durable subscription as the database knows it.
type SubscriptionInfo struct {
	Name   string `json:"name"`
	Topic  string `json:"topic"`
	Plugin string `json:"plugin"`
	// State is "active" or "retired". A retired subscription gets no new events.
	State string `json:"state"`
	// SeenAt is when a process last had it.
	SeenAt time.Time `json:"seen_at"`
	// Pending, Running and Dead count its deliveries.
	Pending int64 `json:"pending"`
	Running int64 `json:"running"`
	Dead    int64 `json:"dead"`
	// Oldest is when the oldest unfinished event was published; zero without one.
	Oldest time.Time `json:"oldest,omitzero"`
}

// DeliveryInfo describes a stored delivery.
type DeliveryInfo struct {
	EventID      string            `json:"event_id"`
	Topic        string            `json:"topic"`
	Key          string            `json:"key"`
	Subscription string            `json:"subscription"`
	State        string            `json:"state"`
	Attempts     int               `json:"attempts"`
	Error        string            `json:"error"`
	Emitter      string            `json:"emitter"`
	Parent       string            `json:"parent"`
	RequestID    string            `json:"request_id"`
	Headers      map[string]string `json:"headers,omitempty"`
	Payload      string            `json:"payload"`
	PublishedAt  time.Time         `json:"published_at"`
	DueAt        time.Time         `json:"due_at"`
	FailedAt     time.Time         `json:"failed_at,omitzero"`
}

// Filter selects deliveries. Empty fields select all.
type Filter struct {
	EventID      string
	Subscription string
	Topic        string
	// State is "pending", "running" or "dead".
	State string
	// Limit is the most deliveries returned; 0 means 100.
	Limit int
}

// Action is a recorded intervention of an operator.
type Action struct {
	At           time.Time `json:"at"`
	Action       string    `json:"action"`
	Actor        string    `json:"actor"`
	EventID      string    `json:"event_id"`
	Subscription string    `json:"subscription"`
	Detail       string    `json:"detail"`
}

// Admin is the operators' side of the outbox: look at deliveries, replay or discard dead ones, retire or adopt
// subscriptions. It needs an open, migrated database and no running bus; a running one notices within its poll
// interval. Every change is recorded with its actor. It is safe for concurrent use.
type Admin struct {
	store store
	actor string
}

// Admin returns the operators' side, acting as actor.
func (b *Bus) Admin(actor string) *Admin { return &Admin{store: b.outbox.store, actor: actor} }

// Subscriptions lists all durable subscriptions with their counts.
func (a *Admin) Subscriptions(ctx context.Context) ([]SubscriptionInfo, error) {
	subscriptions, err := a.store.subscriptions(ctx)
	if err != nil {
		return nil, fmt.Errorf("list subscriptions: %w", err)
	}
	counts, err := a.store.counts(ctx)
	if err != nil {
		return nil, fmt.Errorf("count deliveries: %w", err)
	}
	for i := range subscriptions {
		s := &subscriptions[i]
		if c, ok := counts[s.Name]; ok {
			s.Pending, s.Running, s.Dead, s.Oldest = c.Pending, c.Running, c.Dead, c.Oldest
		}
	}
	return subscriptions, nil
}

// Deliveries lists stored deliveries, oldest first.
func (a *Admin) Deliveries(ctx context.Context, f Filter) ([]DeliveryInfo, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	var out []DeliveryInfo
	err := a.store.query(ctx, func(r *sql.Rows) error {
		var d DeliveryInfo
		var headers string
		var published, due, failed int64
		if err := r.Scan(&d.EventID, &d.Topic, &d.Key, &d.Subscription, &d.State, &d.Attempts, &d.Error, &d.Emitter, &d.Parent,
			&d.RequestID, &headers, &d.Payload, &published, &due, &failed); err != nil {
			return err
		}
		d.PublishedAt, d.DueAt = time.UnixMilli(published).UTC(), time.UnixMilli(due).UTC()
		if failed > 0 {
			d.FailedAt = time.UnixMilli(failed).UTC()
		}
		if headers != "" {
			if err := json.Unmarshal([]byte(headers), &d.Headers); err != nil {
				return fmt.Errorf("read headers: %w", err)
			}
		}
		out = append(out, d)
		return nil
	}, `SELECT e.id, e.topic, e.key, d.subscription, d.state, d.attempts, d.error, e.emitter, e.parent, e.request_id, e.headers,
			e.payload, e.published_at, d.due_at, d.failed_at
		FROM bus_deliveries d JOIN bus_events e ON e.id = d.event_id
		WHERE `+matching+` ORDER BY d.event_id, d.subscription LIMIT ?`, append(f.args(), f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return out, nil
}

// matching is the condition of a Filter over deliveries d and events e. Each parameter is given twice.
const matching = `(? = '' OR d.event_id = ?) AND (? = '' OR d.subscription = ?) AND (? = '' OR e.topic = ?) AND (? = '' OR d.state = ?)`

func (f Filter) args() []any {
	return []any{f.EventID, f.EventID, f.Subscription, f.Subscription, f.Topic, f.Topic, f.State, f.State}
}

// Replay makes the dead deliveries that f selects pending again, with the same event ids and fresh attempts, and
// returns how many.
func (a *Admin) Replay(ctx context.Context, f Filter) (int, error) {
	return a.change(ctx, "replay", f, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = 0, due_at = {now}, token = token + 1,
		parked_at = 0 WHERE event_id = ? AND subscription = ? AND state = 'dead'`)
}

// Discard deletes the dead deliveries that f selects and returns how many.
func (a *Admin) Discard(ctx context.Context, f Filter) (int, error) {
	return a.change(ctx, "discard", f, `DELETE FROM bus_deliveries WHERE event_id = ? AND subscription = ? AND state = 'dead'`)
}

// changeBatch is how many deliveries are changed in one transaction.
const changeBatch = 200

func (a *Admin) change(ctx context.Context, action string, f Filter, statement string) (total int, err error) {
	f.State, f.Limit = "dead", changeBatch
	for {
		n := 0
		err := a.store.db.InTx(ctx, func(ctx context.Context) error {
			n = 0
			deliveries, err := a.Deliveries(ctx, f)
			if err != nil {
				return err
			}
			for _, d := range deliveries {
				changed, err := a.store.exec(ctx, statement, d.EventID, d.Subscription)
				if err != nil || changed == 0 {
					return err
				}
				if err := a.record(ctx, action, d.EventID, d.Subscription, d.Error); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			return total, fmt.Errorf("%s deliveries: %w", action, err)
		}
		total += n
		if n == 0 {
			return total, nil
		}
	}
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
// is adopted or its subscription comes back.
func (a *Admin) Retire(ctx context.Context, name string) error {
	return a.store.db.InTx(ctx, func(ctx context.Context) error {
		n, err := a.store.exec(ctx, `UPDATE bus_subscriptions SET state = 'retired' WHERE name = ?`, name)
		if err != nil {
			return fmt.Errorf("retire subscription: %w", err)
		}
		if n == 0 {
			return app.Errorf(app.NotFound, "there is no subscription %q", name)
		}
		return a.record(ctx, "retire", "", name, "")
	})
}

// Adopt moves what subscription from has not handled to subscription to, and forgets from.
func (a *Admin) Adopt(ctx context.Context, from, to string) error {
	return a.store.db.InTx(ctx, func(ctx context.Context) error {
		known, err := a.store.subscriptions(ctx)
		if err != nil {
			return fmt.Errorf("adopt subscription: %w", err)
		}
		for _, name := range []string{from, to} {
			if !contains(known, name) {
				return app.Errorf(app.NotFound, "there is no subscription %q", name)
			}
		}
		if from == to {
			return app.Errorf(app.Invalid, "a subscription cannot adopt itself")
		}
		if err := a.store.rename(ctx, from, to); err != nil {
			return fmt.Errorf("adopt subscription: %w", err)
		}
		return a.record(ctx, "adopt", "", to, "from "+from)
	})
}

func contains(known []SubscriptionInfo, name string) bool {
	for i := range known {
		if known[i].Name == name {
			return true
		}
	}
	return false
}

// Actions lists recorded interventions, latest first.
func (a *Admin) Actions(ctx context.Context, limit int) ([]Action, error) {
	var out []Action
	err := a.store.query(ctx, func(r *sql.Rows) error {
		var x Action
		var at int64
		err := r.Scan(&at, &x.Action, &x.Actor, &x.EventID, &x.Subscription, &x.Detail)
		x.At = time.UnixMilli(at).UTC()
		out = append(out, x)
		return err
	}, `SELECT at, action, actor, event_id, subscription, detail FROM bus_actions ORDER BY id DESC LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("list actions: %w", err)
	}
	return out, nil
}

func (s store) subscriptions(ctx context.Context) ([]SubscriptionInfo, error) {
	var out []SubscriptionInfo
	err := s.query(ctx, func(r *sql.Rows) error {
		var i SubscriptionInfo
		var seen int64
		err := r.Scan(&i.Name, &i.Topic, &i.Plugin, &i.State, &seen)
		i.SeenAt = time.UnixMilli(seen).UTC()
		out = append(out, i)
		return err
	}, `SELECT name, topic, plugin, state, seen_at FROM bus_subscriptions ORDER BY name`)
	return out, err
}

// counts counts the deliveries of each subscription by state.
func (s store) counts(ctx context.Context) (map[string]SubscriptionInfo, error) {
	out := make(map[string]SubscriptionInfo)
	err := s.query(ctx, func(r *sql.Rows) error {
		var name, state, oldest string
		var n int64
		if err := r.Scan(&name, &state, &n, &oldest); err != nil {
			return err
		}
		i := out[name]
		switch state {
		case "pending":
			i.Pending = n
		case "running":
			i.Running = n
		case "dead":
			i.Dead = n
		}
		if id, err := uuid.Parse(oldest); err == nil && state != "dead" {
			at := time.Unix(id.Time().UnixTime()).UTC()
			if i.Oldest.IsZero() || at.Before(i.Oldest) {
				i.Oldest = at
			}
		}
		out[name] = i
		return nil
	}, `SELECT subscription, state, COUNT(*), MIN(event_id) FROM bus_deliveries GROUP BY subscription, state`)
	return out, err
}
