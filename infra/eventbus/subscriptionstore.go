package eventbus

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
)

func (s store) subscriptions(ctx context.Context) ([]SubscriptionInfo, error) {
	var out []SubscriptionInfo
	err := s.query(ctx, func(r *sql.Rows) error {
		var i SubscriptionInfo
		var seen int64
		err := r.Scan(&i.Name, &i.Topic, &i.Plugin, &i.State, &seen, &i.adoptedBy, &i.left)
		i.SeenAt = fromMilli(seen)
		out = append(out, i)
		return err
	}, `SELECT name, topic, plugin, state, seen_at, adopted_by, adopted_by <> '' AND `+fmt.Sprintf(waitsUnder, "s.name")+` FROM bus_subscriptions s ORDER BY name`)
	return out, err
}

// topics returns the topic of a delivery to each of the subscriptions.
func (s store) topics(ctx context.Context, names []string) (map[string]string, error) {
	out := make(map[string]string)
	err := s.query(ctx, func(r *sql.Rows) error {
		var name, topic string
		err := r.Scan(&name, &topic)
		out[name] = topic
		return err
	}, `SELECT d.subscription, MIN(e.topic) FROM bus_deliveries d JOIN bus_events e ON e.id = d.event_id WHERE d.subscription {in list}
		GROUP BY d.subscription`, list(names))
	return out, err
}

// counts counts the deliveries of each subscription by state, with park as how long they are parked.
func (s store) counts(ctx context.Context, park time.Duration) (map[string]SubscriptionInfo, error) {
	out := make(map[string]SubscriptionInfo)
	err := s.query(ctx, func(r *sql.Rows) error {
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
				i.ParkedUntil = time.UnixMilli(since.Int64).Add(park).UTC()
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
