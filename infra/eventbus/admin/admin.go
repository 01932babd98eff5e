package admin

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"plugboard/infra/eventbus/internal/outbox/store"
	cron "plugboard/infra/eventbus/internal/schedule"

	"github.com/go-json-experiment/json"

	"plugboard/app"
)

// SubscriptionInfo describes a durable subscription as the database knows it.
type Subscription struct {
	// Name is what this build calls it, else what the last process that had it did. Other names that it has or had are in
	// Names: each of them can be given where a subscription is asked for.
	Name   string   `json:"name"`
	Names  []string `json:"names,omitempty"`
	Topic  string   `json:"topic"`
	Plugin string   `json:"plugin"`
	// State is "active" or "retired". A retired subscription gets no new events.
	State string `json:"state"`
	// Orphan tells that it is active and this build has it under none of its names: events wait for it that nobody handles,
	// unless another version of the service runs.
	Orphan bool `json:"orphan"`
	// SeenAt is when a process last had it.
	SeenAt time.Time `json:"seen_at"`
	// Pending, Running and Dead count its deliveries.
	Pending int64 `json:"pending"`
	Running int64 `json:"running"`
	Dead    int64 `json:"dead"`
	// RunningSince is when the delivery was claimed that has been running, or waiting in a process, for longest; zero without one.
	RunningSince time.Time `json:"running_since,omitzero"`
	// Parked is how many of the pending ones are parked: they cannot be read by a version that tried, and are left to others
	// until ParkedUntil, when the first of them is dead; zero without one.
	Parked      int64     `json:"parked"`
	ParkedUntil time.Time `json:"parked_until,omitzero"`
	// Oldest is when the oldest unfinished event was published; zero without one.
	Oldest time.Time `json:"oldest,omitzero"`
}

// DeliveryInfo describes a stored delivery.
type Delivery struct {
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
	// ParkedUntil is until when a pending delivery, which cannot be read by a version that tried, is left to others; zero for
	// all else.
	ParkedUntil time.Time `json:"parked_until,omitzero"`

	// stored is the name under which it is stored.
	stored string
}

// Filter selects deliveries. Empty fields select all.
type Filter struct {
	EventID string
	// Subscription is any of the names of one.
	Subscription string
	Topic        string
	// State is "pending", "running" or "dead".
	State string
	// Limit is the most deliveries returned; 0 means 100.
	Limit int

	// diedBefore leaves out what died later, in Unix milliseconds of the database; 0 leaves out nothing.
	diedBefore int64
	// afterEvent and afterSubscription leave out the deliveries listed up to that one.
	afterEvent, afterSubscription string
	// stored are the names under which the deliveries to Subscription are stored.
	stored []string
}

// EventInfo describes a stored event. One that everybody has handled is kept for the retention.
type Event struct {
	ID        string `json:"id"`
	Topic     string `json:"topic"`
	Key       string `json:"key"`
	Emitter   string `json:"emitter"`
	Parent    string `json:"parent"`
	RequestID string `json:"request_id"`
	Trace     string `json:"trace"`
	// Number is its place among those of its topic and key, a string in JSON, whose numbers other programs round; 0 without a key.
	Number      int64             `json:"number,string,omitzero"`
	Headers     map[string]string `json:"headers,omitempty"`
	Payload     string            `json:"payload"`
	PublishedAt time.Time         `json:"published_at"`
	// Deliveries are those that are not done, Actions the interventions of operators, latest first.
	Deliveries []Delivery `json:"deliveries"`
	Actions    []Action   `json:"actions"`
}

// ScheduleInfo describes a durable schedule of this build.
type Schedule struct {
	Name   string `json:"name"`
	Spec   string `json:"spec"`
	Plugin string `json:"plugin"`
	// Next is the next time it is due; zero when no process has registered it yet.
	Next time.Time `json:"next,omitzero"`
	// Last is when the last run was due, EventID that run's event; empty without one.
	Last    time.Time `json:"last,omitzero"`
	EventID string    `json:"event_id,omitzero"`
	// State is that of the last run: "pending", "running", "dead", or "done", which is "" without one.
	State string `json:"state,omitzero"`
	// Asked is when an operator asked for a run that has not begun; zero without that.
	Asked time.Time `json:"asked,omitzero"`
}

// Admin is the operators' side of the outbox: look at deliveries, replay or discard dead ones, retire or adopt
// subscriptions, run schedules. It needs an open, migrated database and no running bus; a running one notices within its poll
// interval. Every change is recorded with its actor. It is safe for concurrent use.
type Admin struct {
	store store.Subscriptions
	actor string
	// known holds the durable subscriptions of this build.
	known map[string]bool
	// lease is how long a process that is silent counts as alive.
	lease time.Duration
	// schedules are the durable ones of this build.
	schedules []KnownSchedule
	// park is how long a delivery is parked.
	park time.Duration
}

// KnownSchedule is a durable schedule of this build.
type KnownSchedule struct {
	Name, Spec, Plugin string
	Times              cron.Timetable
}

// NewAdmin returns the operators' side, acting as actor. Known are the names of this build's subscriptions, true for the durable
// ones. Lease is how long a silent process counts as alive, park how long a delivery is parked.
func New(s store.Store, actor string, known map[string]bool, schedules []KnownSchedule, lease, park time.Duration) *Admin {
	return &Admin{store: s.Subscriptions(), actor: actor, known: known, schedules: schedules, lease: lease, park: park}
}

// Subscriptions lists all durable subscriptions with their counts, each once, whatever names it has had. What is left under
// a name that stands for another is listed under it, as a retired one, and so is a name that only deliveries have.
func (a *Admin) Subscriptions(ctx context.Context) ([]Subscription, error) {
	known, err := a.store.Names(ctx)
	if err != nil {
		return nil, fmt.Errorf("list subscriptions: %w", err)
	}
	counts, err := a.store.Counts(ctx)
	if err != nil {
		return nil, fmt.Errorf("count deliveries: %w", err)
	}
	var all []Subscription
	for name := range known {
		if known.StoredAs(name) != name {
			continue
		}
		s := a.describe(known, name)
		s.count(counts[name], a.park)
		delete(counts, name)
		all = append(all, s)
	}
	topics, err := a.store.Topics(ctx, slices.Collect(maps.Keys(counts)))
	if err != nil {
		return nil, fmt.Errorf("look for topics: %w", err)
	}
	for name, c := range counts {
		s := Subscription{Name: name, Topic: topics[name], State: "retired", Plugin: known[name].Plugin, SeenAt: known[name].SeenAt}
		s.count(c, a.park)
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y Subscription) int { return strings.Compare(x.Name, y.Name) })
	return all, nil
}

// describe describes the subscription whose deliveries are stored under a name.
func (a *Admin) describe(known store.Names, stored string) Subscription {
	names, name := known.NamesOf(stored), known.DisplayName(stored, a.known)
	s := Subscription{
		Name: name, Topic: known[stored].Topic, State: known[stored].State, Plugin: known[name].Plugin, SeenAt: known[names[0]].SeenAt,
	}
	s.Orphan = s.State == "active" && !slices.ContainsFunc(names, func(n string) bool { return a.known[n] })
	s.Names = slices.DeleteFunc(names, func(n string) bool { return n == name })
	slices.Sort(s.Names)
	return s
}

func (s *Subscription) count(c store.Counts, park time.Duration) {
	s.Pending, s.Running, s.Dead, s.Oldest = c.Pending, c.Running, c.Dead, c.Oldest
	s.Parked, s.RunningSince = c.Parked, c.RunningSince
	if !c.ParkedSince.IsZero() {
		s.ParkedUntil = c.ParkedSince.Add(park)
	}
}

// Schedules lists the durable schedules of this build.
func (a *Admin) Schedules(ctx context.Context) ([]Schedule, error) {
	schedules := a.store.Store.Schedules()
	rows, now, err := schedules.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}
	known, err := a.store.Names(ctx)
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}
	all := make([]Schedule, len(a.schedules))
	for i, sc := range a.schedules {
		all[i] = Schedule{Name: sc.Name, Spec: sc.Spec, Plugin: sc.Plugin}
		name := known.StoredAs(sc.Name)
		row, ok := rows[name]
		if !ok {
			continue
		}
		all[i].Next, all[i].Last, all[i].EventID, all[i].Asked = sc.Times.Next(row.Passed).UTC(), row.Due, row.Event, row.Asked
		if all[i].Next.Before(now) {
			all[i].Next = sc.Times.Next(now).UTC()
		}
		if all[i].State, err = schedules.RunState(ctx, row.Event, name); err != nil {
			return nil, fmt.Errorf("look at the last run of %s: %w", sc.Name, err)
		}
	}
	return all, nil
}

// Deliveries lists stored deliveries, oldest first. Of one whose event is gone it has the id alone.
func (a *Admin) Deliveries(ctx context.Context, f Filter) ([]Delivery, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	known, err := a.resolve(ctx, &f)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	var out []Delivery
	err = a.store.Query(ctx, func(r *sql.Rows) error {
		var d Delivery
		var headers string
		var published, due, failed, parked int64
		if err := r.Scan(&d.EventID, &d.Topic, &d.Key, &d.stored, &d.State, &d.Attempts, &d.Error, &d.Emitter, &d.Parent,
			&d.RequestID, &headers, &d.Payload, &published, &due, &failed, &parked); err != nil {
			return err
		}
		d.Subscription = d.stored
		if row, ok := known[d.stored]; ok && row.AdoptedBy == "" {
			d.Subscription = known.DisplayName(d.stored, a.known)
		}
		if published > 0 {
			d.PublishedAt = time.UnixMilli(published).UTC()
		}
		d.DueAt = time.UnixMilli(due).UTC()
		if failed > 0 {
			d.FailedAt = time.UnixMilli(failed).UTC()
		}
		if parked > 0 && d.State == "pending" {
			d.ParkedUntil = time.UnixMilli(parked).Add(a.park).UTC()
		}
		d.Headers = readHeaders(headers)
		out = append(out, d)
		return nil
	}, `SELECT d.event_id, COALESCE(e.topic, ''), d.key, d.subscription, d.state, d.attempts, d.error, COALESCE(e.emitter, ''),
			COALESCE(e.parent, ''), COALESCE(e.request_id, ''), COALESCE(e.headers, ''), COALESCE(e.payload, ''),
			COALESCE(e.published_at, 0), d.due_at, d.failed_at, d.parked_at
		FROM bus_deliveries d LEFT JOIN bus_events e ON e.id = d.event_id
		WHERE `+matching+` ORDER BY d.event_id, d.subscription LIMIT ?`, append(f.args(), f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return out, nil
}

// resolve finds out under which names the deliveries that f selects are stored: that of the subscription, and the given one,
// under which something may be left.
func (a *Admin) resolve(ctx context.Context, f *Filter) (store.Names, error) {
	known, err := a.store.Names(ctx)
	if f.Subscription != "" {
		f.stored = []string{f.Subscription, known.StoredAs(f.Subscription)}
	}
	return known, err
}

// matching is the condition of a Filter over deliveries d and events e.
const matching = `(? = '' OR d.event_id = ?) AND (? = '' OR d.subscription {in list}) AND (? = '' OR e.topic = ?) AND (? = '' OR d.state = ?)
		AND (CAST(? AS BIGINT) = 0 OR d.failed_at <= ?) AND (d.event_id, d.subscription) > (?, ?)`

func (f Filter) args() []any {
	return []any{f.EventID, f.EventID, f.Subscription, store.List(f.stored), f.Topic, f.Topic, f.State, f.State, f.diedBefore, f.diedBefore,
		f.afterEvent, f.afterSubscription}
}

// readHeaders returns stored headers. Those that cannot be read are left out, so that the delivery is listed all the same: its
// error tells of them.
func readHeaders(text string) (headers map[string]string) {
	if text == "" || json.Unmarshal([]byte(text), &headers) != nil {
		return nil
	}
	return headers
}

// Count counts the deliveries that f selects, whatever its limit.
func (a *Admin) Count(ctx context.Context, f Filter) (n int, err error) {
	if _, err := a.resolve(ctx, &f); err != nil {
		return 0, fmt.Errorf("count deliveries: %w", err)
	}
	err = a.store.Query(ctx, func(r *sql.Rows) error { return r.Scan(&n) },
		`SELECT COUNT(*) FROM bus_deliveries d LEFT JOIN bus_events e ON e.id = d.event_id WHERE `+matching, f.args()...)
	if err != nil {
		return 0, fmt.Errorf("count deliveries: %w", err)
	}
	return n, nil
}

// Event returns an event with what is left to do for it and what operators did. The error for one that is not stored, or
// not any more, is app.NotFound.
func (a *Admin) Event(ctx context.Context, id string) (Event, error) {
	var e Event
	err := a.store.Query(ctx, func(r *sql.Rows) error {
		var headers string
		var published int64
		if err := r.Scan(&e.ID, &e.Topic, &e.Key, &e.Emitter, &e.Parent, &e.RequestID, &e.Trace, &headers, &e.Payload, &published, &e.Number); err != nil {
			return err
		}
		e.PublishedAt = time.UnixMilli(published).UTC()
		e.Headers = readHeaders(headers)
		return nil
	}, `SELECT id, topic, key, emitter, parent, request_id, trace, headers, payload, published_at, seq
		FROM bus_events WHERE id = ?`, id)
	if err != nil {
		return Event{}, fmt.Errorf("read event: %w", err)
	}
	if e.ID == "" {
		return Event{}, app.Errorf(app.NotFound, "there is no event %q", id)
	}
	if e.Deliveries, err = a.Deliveries(ctx, Filter{EventID: id, Limit: math.MaxInt32}); err != nil {
		return Event{}, err
	}
	e.Actions, err = a.actions(ctx, id, math.MaxInt32)
	return e, err
}
