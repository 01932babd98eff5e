package store

import (
	"context"
	"fmt"

	"plugboard/infra/eventbus/internal/message"
)

// registration registers the subscriptions of a build, in one transaction.
type registration struct {
	Subscriptions
	known Names
	// taken holds the names of the build's subscriptions, and the names under which their deliveries are stored. Each of these names
	// belongs to one subscription alone.
	taken map[string]bool
}

// RegisterAll registers the subscriptions of a build. For each of them, stored has the name under which its deliveries are stored.
// Topics are the topics that had active subscriptions before. RegisterAll runs in a transaction.
func (s Subscriptions) RegisterAll(ctx context.Context, all []*message.Subscription) (stored []string, topics map[string]bool, err error) {
	if err := s.Lock(ctx); err != nil {
		return nil, nil, err
	}
	known, err := s.Names(ctx)
	if err != nil {
		return nil, nil, err
	}
	topics = known.topics()
	r := registration{Subscriptions: s, known: known, taken: make(map[string]bool, len(all))}
	for _, sub := range all {
		r.taken[sub.Name] = true
	}
	stored = make([]string, len(all))
	for i, sub := range all {
		if stored[i], err = r.register(ctx, sub); err != nil {
			return nil, nil, fmt.Errorf("register subscription %s: %w", sub.Name, err)
		}
	}
	return stored, topics, s.forgetOldNames(ctx)
}

// register marks a subscription as active, notes its former names as its own, and returns the name under which its deliveries are
// stored. It refuses a name that belongs to another topic, since the subscription could not read the events of this topic.
func (r *registration) register(ctx context.Context, s *message.Subscription) (stored string, err error) {
	stored = r.storedName(s)
	if err := r.checkTopics(ctx, s); err != nil {
		return "", err
	}
	// An older version had one subscription with two names. In this build each name is a subscription of its own. The subscription
	// whose name was used last gets the waiting deliveries.
	if before := r.known.StoredAs(s.Name); before != stored && r.known[s.Name].SeenAt.After(r.known[before].SeenAt) {
		if err := r.MoveDeliveries(ctx, before, s.Name); err != nil {
			return "", err
		}
	}
	if err := r.write(ctx, s, s.Name, stored); err != nil {
		return "", err
	}
	if stored != s.Name {
		if err := r.run(ctx, `UPDATE bus_subscriptions SET state = 'active', adopted_by = '', adopted_at = 0 WHERE name = ? AND state <> 'active'`, stored); err != nil {
			return "", err
		}
	}
	r.taken[stored] = true
	for _, old := range s.Formerly {
		if err := r.takeOverName(ctx, s, old, stored); err != nil {
			return "", fmt.Errorf("move deliveries from the old name %s: %w", old, err)
		}
	}
	return stored, nil
}

// storedName returns the name under which s's deliveries are stored. It takes the first of these that applies:
//
//  1. The database knows s.Name: the name under which the deliveries of s.Name are stored.
//  2. It knows one of the former names: the name under which the deliveries of the first such name are stored.
//  3. s.Name.
//
// It skips a result that belongs to another subscription of this build, or to another topic.
func (r *registration) storedName(s *message.Subscription) string {
	for _, name := range append([]string{s.Name}, s.Formerly...) {
		if _, ok := r.known[name]; !ok {
			continue
		}
		stored := r.known.StoredAs(name)
		if stored == s.Name || !r.taken[stored] && message.SameTopic(r.known[stored].Topic, s.Topic) {
			return stored
		}
		if name == s.Name {
			break
		}
	}
	return s.Name
}

// write stores the row of one of s's names.
func (r *registration) write(ctx context.Context, s *message.Subscription, name, stored string) error {
	row := SubscriptionRow{Name: name, Topic: s.Topic, State: "active", SeenAt: r.known[name].SeenAt}
	if name != stored {
		row.State, row.AdoptedBy = "retired", stored
	}
	seen := "0"
	if name == s.Name {
		seen = "{now}"
	}
	r.known[name] = row
	return r.run(ctx, `INSERT INTO bus_subscriptions (name, topic, plugin, state, created_at, seen_at, adopted_by, adopted_at)
		VALUES (?, ?, ?, ?, {now}, `+seen+`, ?, CASE WHEN CAST(? AS TEXT) = '' THEN 0 ELSE {now} END)
		ON CONFLICT (name) DO UPDATE SET topic = excluded.topic, plugin = excluded.plugin, state = excluded.state, adopted_by = excluded.adopted_by,
			adopted_at = excluded.adopted_at, seen_at = CASE WHEN excluded.seen_at > bus_subscriptions.seen_at THEN excluded.seen_at ELSE bus_subscriptions.seen_at END`,
		name, s.Topic, s.Plugin, row.State, row.AdoptedBy, row.AdoptedBy)
}

// takeOverName notes that old, a former name of s, is another name of s. It finds the name under which the deliveries of old are stored,
// and moves the waiting ones to stored.
func (r *registration) takeOverName(ctx context.Context, s *message.Subscription, old, stored string) error {
	before := r.known.StoredAs(old)
	switch {
	case before == stored && old == stored:
		return nil
	case before != stored && r.taken[before]: // before belongs to another subscription of this build, so take only the name old from it
		before = old
	}
	if before != stored {
		if err := r.Rename(ctx, before, stored); err != nil {
			return err
		}
		r.known.rename(before, stored)
	}
	return r.write(ctx, s, old, stored)
}

// checkTopics refuses s in two cases: the database has one of its former names with another topic, or it has the name of s with
// another topic and with stored deliveries.
func (r *registration) checkTopics(ctx context.Context, s *message.Subscription) error {
	for _, old := range s.Formerly {
		if topic := r.known[old].Topic; topic != "" && !message.SameTopic(topic, s.Topic) {
			return fmt.Errorf("plugin %s (%s): app.Formerly lists %q of topic %s, but subscription %q is for topic %s; remove the old name",
				s.Plugin, s.Source, old, topic, s.Name, s.Topic)
		}
	}
	topic := r.known[s.Name].Topic
	if topic == "" || message.SameTopic(topic, s.Topic) {
		return nil
	}
	left := 0
	if _, err := r.QueryRow(ctx, []any{&left}, `SELECT COUNT(*) FROM bus_deliveries WHERE subscription {in list}`,
		JSONList([]string{s.Name, r.known.StoredAs(s.Name)})); err != nil || left == 0 {
		return err
	}
	return fmt.Errorf("plugin %s (%s): subscription %q is for topic %s now, but %d deliveries of topic %s are stored under its name; give the subscription another name with app.Named",
		s.Plugin, s.Source, s.Name, s.Topic, left, topic)
}
