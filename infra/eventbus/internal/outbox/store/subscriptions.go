package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Subscriptions has the statements of registered subscriptions, their names, and the counts of their deliveries.
type Subscriptions struct{ Store }

// Names reads the rows of all names of subscriptions.
func (s Subscriptions) Names(ctx context.Context) (Names, error) {
	names := make(Names)
	rows, err := List(ctx, s.Store, func(i *SubscriptionRow) []any {
		return []any{&i.Name, &i.Topic, &i.Plugin, &i.State, Millis{&i.SeenAt}, &i.AdoptedBy, &i.Unclaimed}
	}, `SELECT name, topic, plugin, state, seen_at, adopted_by, adopted_by <> '' AND `+fmt.Sprintf(waitsUnder, "s.name")+` FROM bus_subscriptions s ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	for _, row := range rows {
		names[row.Name] = row
	}
	return names, nil
}

// Lock makes other processes wait until the transaction of ctx ends before they register subscriptions. They publish and read without
// a wait.
func (s Subscriptions) Lock(ctx context.Context) error {
	if !s.Postgres {
		return nil // there is one writer
	}
	if err := s.run(ctx, `LOCK TABLE bus_subscriptions IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		return fmt.Errorf("lock subscriptions: %w", err)
	}
	return nil
}

// MarkSeen notes that a process has subscriptions of these names now.
func (s Subscriptions) MarkSeen(ctx context.Context, names []string) error {
	return s.run(ctx, `UPDATE bus_subscriptions SET seen_at = {now} WHERE name {in list}`, JSONList(names))
}

// Topics returns, for each of the names under which deliveries are stored, the topic of one of their events.
func (s Subscriptions) Topics(ctx context.Context, names []string) (map[string]string, error) {
	topics := make(map[string]string)
	err := s.Query(ctx, func(r *sql.Rows) error {
		var name, topic string
		err := r.Scan(&name, &topic)
		topics[name] = topic
		return err
	}, `SELECT d.subscription, MIN(e.topic) FROM bus_deliveries d JOIN bus_events e ON e.id = d.event_id WHERE d.subscription {in list}
		GROUP BY d.subscription`, JSONList(names))
	return topics, err
}

// Counts counts the deliveries that are stored under one name.
type Counts struct {
	Pending, Running, Dead, Parked int64
	// RunningSince is when the oldest claim was made. ParkedSince is the earliest time from which the limit of a parked delivery counts.
	// Oldest is when the oldest unfinished event was published. Each time is zero when there is no such claim, delivery or event.
	RunningSince, ParkedSince, Oldest time.Time
}

// Counts counts the deliveries by the name under which they are stored.
func (s Subscriptions) Counts(ctx context.Context) (map[string]Counts, error) {
	all := make(map[string]Counts)
	err := s.Query(ctx, func(r *sql.Rows) error {
		var name, state, oldest string
		var n, parked int64
		var parkedSince, claimed time.Time
		if err := r.Scan(&name, &state, &n, &oldest, &parked, Millis{&parkedSince}, Millis{&claimed}); err != nil {
			return err
		}
		c := all[name]
		switch state {
		case "pending":
			c.Pending, c.Parked, c.ParkedSince = n, parked, parkedSince
		case "running":
			c.Running, c.RunningSince = n, claimed
		case "dead":
			c.Dead = n
		}
		if id, err := uuid.Parse(oldest); err == nil && state != "dead" {
			at := time.Unix(id.Time().UnixTime()).UTC()
			if c.Oldest.IsZero() || at.Before(c.Oldest) {
				c.Oldest = at
			}
		}
		all[name] = c
		return nil
	}, `SELECT subscription, state, COUNT(*), MIN(event_id), COUNT(NULLIF(parked_at, 0)), MIN(NULLIF(parked_at, 0)), MIN(claimed_at) FROM bus_deliveries
		GROUP BY subscription, state`)
	return all, err
}
