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
	// taken holds the names of the build's subscriptions, and the names under which their deliveries are stored. A name belongs to
	// one subscription.
	taken map[string]bool
}

// RegisterAll registers the subscriptions of a build. It returns the name under which the deliveries of each are stored, and the
// topics that had active subscriptions before. It runs in a transaction.
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

// register marks a subscription as active, under its former names too, and returns the name under which its deliveries are
// stored. It refuses a name under which another topic is known, since the subscription could not read that topic's events.
func (r *registration) register(ctx context.Context, s *message.Subscription) (stored string, err error) {
	stored = r.storedName(s)
	if err := r.checkTopics(ctx, s); err != nil {
		return "", err
	}
	// This build has two subscriptions in the place of one with two names: the waiting deliveries go to the name last in use.
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
			return "", fmt.Errorf("take over from %s: %w", old, err)
		}
	}
	return stored, nil
}

// storedName returns the name under which s's deliveries are stored: where those of its name are, else where those of its first
// known former name are, else its own name. It leaves out names of this build's other subscriptions, and of other topics.
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

// write writes the row of one of s's names.
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

// takeOverName makes old, a former name of s, another name of s. Deliveries that wait under old, as under another subscription's
// name, are moved to s.
func (r *registration) takeOverName(ctx context.Context, s *message.Subscription, old, stored string) error {
	before := r.known.StoredAs(old)
	switch {
	case before == stored && old == stored:
		return nil
	case before != stored && r.taken[before]: // another subscription of this build has it by now: take over old alone
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

// checkTopics refuses s if one of its former names is known with another topic, or if its own name is and has deliveries left.
func (r *registration) checkTopics(ctx context.Context, s *message.Subscription) error {
	for _, old := range s.Formerly {
		if topic := r.known[old].Topic; topic != "" && !message.SameTopic(topic, s.Topic) {
			return fmt.Errorf("plugin %s (%s): app.Formerly has %q, which takes %s, and subscription %q takes %s; take it out",
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
	return fmt.Errorf("plugin %s (%s): subscription %q takes %s now, and deliveries of %s are left under that name (%d); give it another name with app.Named",
		s.Plugin, s.Source, s.Name, s.Topic, topic, left)
}
