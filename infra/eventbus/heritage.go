package eventbus

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// sameTopic reports whether what was published under one topic may go to a subscription of the other: that of a schedule
// changes with its name.
func sameTopic(a, b string) bool {
	return a == b || strings.HasPrefix(a, SchedulePrefix) && strings.HasPrefix(b, SchedulePrefix)
}

// register notes a subscription as active and moves what waits under its former names. It refuses names under which
// another topic is known, whose events this subscription could not read.
func (s store) register(ctx context.Context, g *Group) error {
	if err := s.checkName(ctx, g); err != nil {
		return err
	}
	for _, old := range g.Formerly {
		if err := s.checkFormerName(ctx, g, old); err != nil {
			return err
		}
	}
	_, err := s.exec(ctx, `INSERT INTO bus_subscriptions (name, topic, plugin, state, created_at, seen_at) VALUES (?, ?, ?, 'active', {now}, {now})
		ON CONFLICT (name) DO UPDATE SET topic = excluded.topic, plugin = excluded.plugin, state = 'active', adopted_by = '', adopted_at = 0,
			seen_at = excluded.seen_at`,
		g.Name, g.Topic, g.Plugin)
	if err != nil {
		return err
	}
	return s.inheritNames(ctx, g)
}

// wantedTopics returns the topics that have active subscriptions.
func (s store) wantedTopics(ctx context.Context) (map[string]bool, error) {
	all, err := s.subscriptions(ctx)
	topics := make(map[string]bool, len(all))
	for _, i := range all {
		if i.State == "active" {
			topics[i.Topic] = true
		}
	}
	return topics, err
}

func (s store) checkName(ctx context.Context, g *Group) error {
	topic, err := s.topicOf(ctx, g.Name)
	if err != nil || topic == "" || sameTopic(topic, g.Topic) {
		return err
	}
	left := 0
	err = s.query(ctx, func(r *sql.Rows) error { return r.Scan(&left) }, `SELECT COUNT(*) FROM bus_deliveries WHERE subscription = ?`, g.Name)
	if err != nil || left == 0 {
		return err
	}
	return fmt.Errorf("plugin %s (%s): subscription %q takes %s now, and deliveries of %s are left under that name (%d); give it another name with app.Named",
		g.Plugin, g.Source, g.Name, g.Topic, topic, left)
}

func (s store) checkFormerName(ctx context.Context, g *Group, old string) error {
	topic, err := s.topicOf(ctx, old)
	if err != nil || topic == "" || sameTopic(topic, g.Topic) {
		return err
	}
	return fmt.Errorf("plugin %s (%s): app.Formerly has %q, which takes %s, and subscription %q takes %s; take it out",
		g.Plugin, g.Source, old, topic, g.Name, g.Topic)
}

// topicOf returns the topic of a subscription, or "" when the name is not known.
func (s store) topicOf(ctx context.Context, name string) (topic string, err error) {
	err = s.query(ctx, func(r *sql.Rows) error { return r.Scan(&topic) }, `SELECT topic FROM bus_subscriptions WHERE name = ?`, name)
	return topic, err
}

// inheritNames moves what waits under the group's former names, but for those that another version has given another topic
// since the start.
func (s store) inheritNames(ctx context.Context, g *Group) error {
	for _, old := range g.Formerly {
		topic, err := s.topicOf(ctx, old)
		if err == nil && (topic == "" || sameTopic(topic, g.Topic)) {
			err = s.rename(ctx, old, g.Name)
		}
		if err != nil {
			return fmt.Errorf("take over from %s: %w", old, err)
		}
	}
	return nil
}

// rename has subscription to take over from subscription from: what waits now, and by and by what is stored for from later,
// by whoever does not know of it yet. The row of from stays as long as that may be.
func (s store) rename(ctx context.Context, from, to string) error {
	if from == to {
		return nil // what is below would take all for what to has already
	}
	if err := s.move(ctx, from, to); err != nil {
		return err
	}
	if _, err := s.exec(ctx, `UPDATE bus_subscriptions SET state = 'retired', adopted_by = ?, adopted_at = {now}
		WHERE (name = ? AND (state = 'active' OR adopted_by <> ?) OR adopted_by = ?) AND name <> ?`, to, from, to, from, to); err != nil {
		return err
	}
	return s.renameSchedule(ctx, from, to)
}

// move moves the deliveries of subscription from to subscription to, but for those that to has already. What a process is
// at work on stays with it. It runs in a transaction.
func (s store) move(ctx context.Context, from, to string) error {
	waits, err := s.waits(ctx, from)
	if err != nil || !waits {
		return err
	}
	if _, err := s.exec(ctx, `DELETE FROM bus_deliveries WHERE subscription = ? AND event_id IN
		(SELECT event_id FROM bus_deliveries WHERE subscription = ?)`, from, to); err != nil {
		return err
	}
	_, err = s.exec(ctx, `UPDATE bus_deliveries SET token = `+nextToken+`, subscription = ?, behind = 0 WHERE subscription = ? AND state <> 'running' AND NOT EXISTS
		(SELECT 1 FROM bus_deliveries o WHERE o.event_id = bus_deliveries.event_id AND o.subscription = ?)`, to, from, to)
	return err
}

// waits reports whether a subscription has deliveries that no process is at work on. It asks each index by itself: one
// question for all of them reads the whole table.
func (s store) waits(ctx context.Context, name string) (found bool, err error) {
	err = s.query(ctx, func(r *sql.Rows) error { return r.Scan(&found) }, `SELECT
		EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = ? AND state = 'pending' AND key = '') OR
		EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = ? AND key <> '' AND state <> 'running') OR
		EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = ? AND state = 'dead')`, name, name, name)
	return found, err
}

// forgetAfter is how long a subscription that has been taken over, and that no process had since, is remembered.
const forgetAfter = time.Hour

// forget forgets the subscriptions that have been taken over, once nothing of them is left and nothing more can come.
func (s store) forget(ctx context.Context) error {
	age := forgetAfter.Milliseconds()
	_, err := s.exec(ctx, `DELETE FROM bus_subscriptions WHERE state = 'retired' AND adopted_by <> '' AND adopted_at < {now} - ? AND seen_at < {now} - ?
		AND NOT EXISTS (SELECT 1 FROM bus_deliveries d WHERE d.subscription = bus_subscriptions.name)`, age, age)
	return err
}

// gather moves what is left under a name that l has taken over.
func (o *Outbox) gather(ctx context.Context, from string, l *lane) error {
	waits, err := o.store.waits(ctx, from)
	if err != nil || !waits {
		return err
	}
	if err := o.db.InTx(ctx, func(ctx context.Context) error { return o.store.move(ctx, from, l.group.Name) }); err != nil {
		return err
	}
	o.poller.open(l, 0)
	return nil
}
