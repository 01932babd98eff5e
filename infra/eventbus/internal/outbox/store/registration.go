package store

import (
	"context"
	"database/sql"
	"fmt"

	"plugboard/infra/eventbus/internal/message"
)

// A subscription can have several names: the one it was first registered with, and those that it got by app.Formerly or by
// an operator. Its deliveries are stored under one of them for ever, whatever it is called: the first, as a rule. So an event
// has one delivery to a renamed subscription, and the versions of the service that know it by different names work on the
// same deliveries, as replicas of one version do. A rename and its rollback move nothing.
//
// In bus_subscriptions the name that deliveries are stored under has a row like any other. The row of another name is
// retired, so that no publisher stores a delivery under it, and its adopted_by says under which name they are stored.

// registration registers the subscriptions of a build, in one transaction.
type registration struct {
	Subscriptions
	known Names
	// taken are the names of the build's subscriptions, and those under which they are stored: one belongs to one of them.
	taken map[string]bool
}

// registerAll registers the subscriptions of a build, in the transaction of ctx. It returns under which name the deliveries of each
// are stored, and which topics had active subscriptions before.
func (s Subscriptions) RegisterAll(ctx context.Context, all []*message.Subscription) (stored []string, wanted map[string]bool, err error) {
	if err := s.LockSubscriptions(ctx); err != nil {
		return nil, nil, fmt.Errorf("lock subscriptions: %w", err)
	}
	known, err := s.Names(ctx)
	if err != nil {
		return nil, nil, err
	}
	wanted = known.wantedTopics()
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
	return stored, wanted, s.forget(ctx)
}

// register notes a subscription as active, under its former names too, and returns the name under which its deliveries are
// stored. It refuses names under which another topic is known, whose events this subscription could not read.
func (r *registration) register(ctx context.Context, s *message.Subscription) (stored string, err error) {
	stored = r.storedName(s)
	if err := r.checkNames(ctx, s); err != nil {
		return "", err
	}
	if err := r.part(ctx, s.Name, stored); err != nil {
		return "", err
	}
	if err := r.enter(ctx, s, s.Name, stored); err != nil {
		return "", err
	}
	if stored != s.Name {
		if _, err := r.Exec(ctx, `UPDATE bus_subscriptions SET state = 'active', adopted_by = '', adopted_at = 0 WHERE name = ? AND state <> 'active'`, stored); err != nil {
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

// storedName returns the name under which s's deliveries are stored: the one under which those of its name are, else of the
// first of its former names that is known, else its own. It is not another subscription's of this build, nor of another topic.
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

// part separates a name from the one under which its deliveries were stored, in a build that has two subscriptions where
// there was one with two names. What waits stays with the name that was in use last.
func (r *registration) part(ctx context.Context, name, stored string) error {
	before := r.known.StoredAs(name)
	if before == stored {
		return nil
	}
	if r.known[name].SeenAt.After(r.known[before].SeenAt) {
		return r.MoveDeliveries(ctx, before, name)
	}
	return nil
}

// enter writes the row of one of s's names.
func (r *registration) enter(ctx context.Context, s *message.Subscription, name, stored string) error {
	row := SubscriptionRow{Name: name, Topic: s.Topic, State: "active", SeenAt: r.known[name].SeenAt}
	if name != stored {
		row.State, row.AdoptedBy = "retired", stored
	}
	seen := "0"
	if name == s.Name {
		seen = "{now}"
	}
	_, err := r.Exec(ctx, `INSERT INTO bus_subscriptions (name, topic, plugin, state, created_at, seen_at, adopted_by, adopted_at)
		VALUES (?, ?, ?, ?, {now}, `+seen+`, ?, CASE WHEN CAST(? AS TEXT) = '' THEN 0 ELSE {now} END)
		ON CONFLICT (name) DO UPDATE SET topic = excluded.topic, plugin = excluded.plugin, state = excluded.state, adopted_by = excluded.adopted_by,
			adopted_at = excluded.adopted_at, seen_at = CASE WHEN excluded.seen_at > bus_subscriptions.seen_at THEN excluded.seen_at ELSE bus_subscriptions.seen_at END`,
		name, s.Topic, s.Plugin, row.State, row.AdoptedBy, row.AdoptedBy)
	r.known[name] = row
	return err
}

// takeOverName has one of s's former names stand for s. What waits for it as for another subscription is moved to s.
func (r *registration) takeOverName(ctx context.Context, s *message.Subscription, old, stored string) error {
	before := r.known.StoredAs(old)
	switch {
	case before == stored && old == stored:
		return nil
	case before != stored && r.taken[before]: // another's of this build by now: old alone is taken over
		before = old
	}
	if before != stored {
		if err := r.Rename(ctx, before, stored); err != nil {
			return err
		}
		r.known.rename(before, stored)
	}
	return r.enter(ctx, s, old, stored)
}

func (r *registration) checkNames(ctx context.Context, s *message.Subscription) error {
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
	err := r.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&left) }, `SELECT COUNT(*) FROM bus_deliveries WHERE subscription {in list}`,
		List([]string{s.Name, r.known.StoredAs(s.Name)}))
	if err != nil || left == 0 {
		return err
	}
	return fmt.Errorf("plugin %s (%s): subscription %q takes %s now, and deliveries of %s are left under that name (%d); give it another name with app.Named",
		s.Plugin, s.Source, s.Name, s.Topic, topic, left)
}
