package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Subscriptions has the statements of registered subscriptions and their names.
type Subscriptions struct{ Store }

// SubscriptionRow is a name of a subscription, as the database knows it.
type SubscriptionRow struct {
	Name, Topic, Plugin string
	// State is "active" or "retired". A retired name gets no new deliveries.
	State string
	// SeenAt is when a process last had the name.
	SeenAt time.Time
	// AdoptedBy is the name under which the deliveries are stored, or "" when that is the name itself.
	AdoptedBy string
	// Left tells that deliveries wait under the name although AdoptedBy names another.
	Left bool
}

// Names is what bus_subscriptions says, by name.
type Names map[string]SubscriptionRow

func (s Subscriptions) Names(ctx context.Context) (Names, error) {
	rows, err := s.rows(ctx)
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	h := make(Names, len(rows))
	for _, row := range rows {
		h[row.Name] = row
	}
	return h, nil
}

// storedAs returns the name under which the deliveries of the subscription called name are stored.
func (h Names) StoredAs(name string) string {
	for range h { // more steps than there are rows would be a circle
		next := h[name].AdoptedBy
		if _, ok := h[next]; !ok {
			return name
		}
		name = next
	}
	return name
}

// names lists the names of the subscription whose deliveries are stored under one, the last seen first.
func (h Names) NamesOf(stored string) []string {
	names := []string{stored}
	for name := range h {
		if name != stored && h.StoredAs(name) == stored {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(x, y string) int {
		if d := h[y].SeenAt.Compare(h[x].SeenAt); d != 0 {
			return d
		}
		return strings.Compare(x, y)
	})
	return names
}

// shown returns the name that a subscription is called by in a build that knows some: the one that the build has, else the
// one that a process had last.
func (h Names) DisplayName(stored string, known map[string]bool) string {
	names := h.NamesOf(stored)
	for _, name := range names {
		if known[name] {
			return name
		}
	}
	return names[0]
}

// rename notes that the deliveries stored under one name are stored under another from now on.
func (h Names) rename(from, to string) {
	for name, row := range h {
		if name == from || row.AdoptedBy == from && name != to {
			row.State, row.AdoptedBy = "retired", to
			h[name] = row
		}
	}
}

// lockSubscriptions keeps other processes from registering until the transaction ends. Who publishes or looks goes on.
func (s Subscriptions) LockSubscriptions(ctx context.Context) error {
	if !s.Postgres {
		return nil // there is one writer
	}
	_, err := s.Exec(ctx, `LOCK TABLE bus_subscriptions IN SHARE ROW EXCLUSIVE MODE`)
	return err
}

// wantedTopics returns the topics that have active subscriptions.
func (h Names) wantedTopics() map[string]bool {
	topics := make(map[string]bool, len(h))
	for _, i := range h {
		if i.State == "active" {
			topics[i.Topic] = true
		}
	}
	return topics
}

// seen renews the time at which the subscriptions were last seen.
func (s Subscriptions) MarkSeen(ctx context.Context, names []string) error {
	_, err := s.Exec(ctx, `UPDATE bus_subscriptions SET seen_at = {now} WHERE name {in list}`, List(names))
	return err
}

func (s Subscriptions) rows(ctx context.Context) ([]SubscriptionRow, error) {
	var out []SubscriptionRow
	err := s.Query(ctx, func(r *sql.Rows) error {
		var i SubscriptionRow
		var seen int64
		err := r.Scan(&i.Name, &i.Topic, &i.Plugin, &i.State, &seen, &i.AdoptedBy, &i.Left)
		i.SeenAt = fromMilli(seen)
		out = append(out, i)
		return err
	}, `SELECT name, topic, plugin, state, seen_at, adopted_by, adopted_by <> '' AND `+fmt.Sprintf(waitsUnder, "s.name")+` FROM bus_subscriptions s ORDER BY name`)
	return out, err
}

// topics returns the topic of a delivery to each of the subscriptions.
func (s Subscriptions) Topics(ctx context.Context, names []string) (map[string]string, error) {
	out := make(map[string]string)
	err := s.Query(ctx, func(r *sql.Rows) error {
		var name, topic string
		err := r.Scan(&name, &topic)
		out[name] = topic
		return err
	}, `SELECT d.subscription, MIN(e.topic) FROM bus_deliveries d JOIN bus_events e ON e.id = d.event_id WHERE d.subscription {in list}
		GROUP BY d.subscription`, List(names))
	return out, err
}

// Counts counts the deliveries stored under one name.
type Counts struct {
	Pending, Running, Dead, Parked int64
	// RunningSince is when the delivery was claimed that has been running for longest. ParkedSince is since when the first parked
	// delivery waits. Oldest is when the oldest unfinished event was published. All are zero without one.
	RunningSince, ParkedSince, Oldest time.Time
}

// counts counts the deliveries by the name under which they are stored.
func (s Subscriptions) Counts(ctx context.Context) (map[string]Counts, error) {
	out := make(map[string]Counts)
	err := s.Query(ctx, func(r *sql.Rows) error {
		var name, state, oldest string
		var n, parked, claimed int64
		var since sql.NullInt64
		if err := r.Scan(&name, &state, &n, &oldest, &parked, &since, &claimed); err != nil {
			return err
		}
		i := out[name]
		switch state {
		case "pending":
			i.Pending, i.Parked = n, parked
			if since.Valid {
				i.ParkedSince = time.UnixMilli(since.Int64).UTC()
			}
		case "running":
			i.Running, i.RunningSince = n, time.UnixMilli(claimed).UTC()
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
	}, `SELECT subscription, state, COUNT(*), MIN(event_id), COUNT(NULLIF(parked_at, 0)), MIN(NULLIF(parked_at, 0)), MIN(claimed_at) FROM bus_deliveries
		GROUP BY subscription, state`)
	return out, err
}

// silent returns how long ago a time was, by the database's clock.
func (s Subscriptions) Age(ctx context.Context, at time.Time) (time.Duration, error) {
	var ms int64
	err := s.Query(ctx, func(r *sql.Rows) error { return r.Scan(&ms) }, `SELECT {now} - ?`, at.UnixMilli())
	return time.Duration(ms) * time.Millisecond, err
}
