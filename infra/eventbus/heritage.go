package eventbus

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A subscription can have several names: the one it was first registered with, and those that it got by app.Formerly or by
// an operator. Its deliveries are stored under one of them for ever, whatever it is called: the first, as a rule. So an event
// has one delivery to a renamed subscription, and the versions of the service that know it by different names work on the
// same deliveries, as replicas of one version do. A rename and its rollback move nothing.
//
// In bus_subscriptions the name that deliveries are stored under has a row like any other. The row of another name is
// retired, so that no publisher stores a delivery under it, and its adopted_by says under which name they are stored.

// heritage is what bus_subscriptions says, by name.
type heritage map[string]SubscriptionInfo

func (s store) heritage(ctx context.Context) (heritage, error) {
	rows, err := s.subscriptions(ctx)
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	h := make(heritage, len(rows))
	for _, row := range rows {
		h[row.Name] = row
	}
	return h, nil
}

// storedAs returns the name under which the deliveries of the subscription called name are stored.
func (h heritage) storedAs(name string) string {
	for range h { // more steps than there are rows would be a circle
		next := h[name].adoptedBy
		if _, ok := h[next]; !ok {
			return name
		}
		name = next
	}
	return name
}

// names lists the names of the subscription whose deliveries are stored under one, the last seen first.
func (h heritage) names(stored string) []string {
	names := []string{stored}
	for name := range h {
		if name != stored && h.storedAs(name) == stored {
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
func (h heritage) shown(stored string, known map[string]bool) string {
	names := h.names(stored)
	for _, name := range names {
		if known[name] {
			return name
		}
	}
	return names[0]
}

// pass notes that what was stored under one name is stored under another from now on.
func (h heritage) pass(from, to string) {
	for name, row := range h {
		if name == from || row.adoptedBy == from && name != to {
			row.State, row.adoptedBy = "retired", to
			h[name] = row
		}
	}
}

// sameTopic reports whether what was published under one topic may go to a subscription of the other: that of a schedule
// changes with its name.
func sameTopic(a, b string) bool {
	return a == b || strings.HasPrefix(a, SchedulePrefix) && strings.HasPrefix(b, SchedulePrefix)
}

// registration registers the subscriptions of a build, in one transaction.
type registration struct {
	store
	known heritage
	// taken are the names of the build's subscriptions, and those under which they are stored: one belongs to one of them.
	taken map[string]bool
}

// lockSubscriptions keeps other processes from registering until the transaction ends. Who publishes or looks goes on.
func (s store) lockSubscriptions(ctx context.Context) error {
	if !s.postgres {
		return nil // there is one writer
	}
	_, err := s.exec(ctx, `LOCK TABLE bus_subscriptions IN SHARE ROW EXCLUSIVE MODE`)
	return err
}

// register notes a subscription as active, under its former names too, and returns the name under which its deliveries are
// stored. It refuses names under which another topic is known, whose events this subscription could not read.
func (r *registration) register(ctx context.Context, g *Group) (stored string, err error) {
	stored = r.storedName(g)
	if err := r.checkNames(ctx, g); err != nil {
		return "", err
	}
	if err := r.part(ctx, g.Name, stored); err != nil {
		return "", err
	}
	if err := r.enter(ctx, g, g.Name, stored); err != nil {
		return "", err
	}
	if stored != g.Name {
		if _, err := r.exec(ctx, `UPDATE bus_subscriptions SET state = 'active', adopted_by = '', adopted_at = 0 WHERE name = ? AND state <> 'active'`, stored); err != nil {
			return "", err
		}
	}
	r.taken[stored] = true
	for _, old := range g.Formerly {
		if err := r.inherit(ctx, g, old, stored); err != nil {
			return "", fmt.Errorf("take over from %s: %w", old, err)
		}
	}
	return stored, nil
}

// storedName returns the name under which g's deliveries are stored: the one under which those of its name are, else of the
// first of its former names that is known, else its own. It is not another subscription's of this build, nor of another topic.
func (r *registration) storedName(g *Group) string {
	for _, name := range append([]string{g.Name}, g.Formerly...) {
		if _, ok := r.known[name]; !ok {
			continue
		}
		stored := r.known.storedAs(name)
		if stored == g.Name || !r.taken[stored] && sameTopic(r.known[stored].Topic, g.Topic) {
			return stored
		}
		if name == g.Name {
			break
		}
	}
	return g.Name
}

// part separates a name from the one under which its deliveries were stored, in a build that has two subscriptions where
// there was one with two names. What waits stays with the name that was in use last.
func (r *registration) part(ctx context.Context, name, stored string) error {
	before := r.known.storedAs(name)
	if before == stored {
		return nil
	}
	if r.known[name].SeenAt.After(r.known[before].SeenAt) {
		return r.move(ctx, before, name)
	}
	return nil
}

// enter writes the row of one of g's names.
func (r *registration) enter(ctx context.Context, g *Group, name, stored string) error {
	row := SubscriptionInfo{Name: name, Topic: g.Topic, State: "active", SeenAt: r.known[name].SeenAt}
	if name != stored {
		row.State, row.adoptedBy = "retired", stored
	}
	seen := "0"
	if name == g.Name {
		seen = "{now}"
	}
	_, err := r.exec(ctx, `INSERT INTO bus_subscriptions (name, topic, plugin, state, created_at, seen_at, adopted_by, adopted_at)
		VALUES (?, ?, ?, ?, {now}, `+seen+`, ?, CASE WHEN CAST(? AS TEXT) = '' THEN 0 ELSE {now} END)
		ON CONFLICT (name) DO UPDATE SET topic = excluded.topic, plugin = excluded.plugin, state = excluded.state, adopted_by = excluded.adopted_by,
			adopted_at = excluded.adopted_at, seen_at = CASE WHEN excluded.seen_at > bus_subscriptions.seen_at THEN excluded.seen_at ELSE bus_subscriptions.seen_at END`,
		name, g.Topic, g.Plugin, row.State, row.adoptedBy, row.adoptedBy)
	r.known[name] = row
	return err
}

// inherit has one of g's former names stand for g. What waits for it as for another subscription is moved to g.
func (r *registration) inherit(ctx context.Context, g *Group, old, stored string) error {
	before := r.known.storedAs(old)
	switch {
	case before == stored && old == stored:
		return nil
	case before != stored && r.taken[before]: // another's of this build by now: old alone is taken over
		before = old
	}
	if before != stored {
		if err := r.rename(ctx, before, stored); err != nil {
			return err
		}
		r.known.pass(before, stored)
	}
	return r.enter(ctx, g, old, stored)
}

func (r *registration) checkNames(ctx context.Context, g *Group) error {
	for _, old := range g.Formerly {
		if topic := r.known[old].Topic; topic != "" && !sameTopic(topic, g.Topic) {
			return fmt.Errorf("plugin %s (%s): app.Formerly has %q, which takes %s, and subscription %q takes %s; take it out",
				g.Plugin, g.Source, old, topic, g.Name, g.Topic)
		}
	}
	topic := r.known[g.Name].Topic
	if topic == "" || sameTopic(topic, g.Topic) {
		return nil
	}
	left := 0
	err := r.query(ctx, func(rows *sql.Rows) error { return rows.Scan(&left) }, `SELECT COUNT(*) FROM bus_deliveries WHERE subscription {in list}`,
		list([]string{g.Name, r.known.storedAs(g.Name)}))
	if err != nil || left == 0 {
		return err
	}
	return fmt.Errorf("plugin %s (%s): subscription %q takes %s now, and deliveries of %s are left under that name (%d); give it another name with app.Named",
		g.Plugin, g.Source, g.Name, g.Topic, topic, left)
}

// wantedTopics returns the topics that have active subscriptions.
func (h heritage) wantedTopics() map[string]bool {
	topics := make(map[string]bool, len(h))
	for _, i := range h {
		if i.State == "active" {
			topics[i.Topic] = true
		}
	}
	return topics
}

// rename joins two subscriptions: what was stored under from is stored under to, what waits now as well as what processes
// that do not know of it yet still store under from, which follows by and by.
func (s store) rename(ctx context.Context, from, to string) error {
	if from == to {
		return nil
	}
	if err := s.move(ctx, from, to); err != nil {
		return err
	}
	if _, err := s.exec(ctx, `UPDATE bus_subscriptions SET state = 'retired', adopted_by = ?, adopted_at = {now}
		WHERE (name = ? AND (state = 'active' OR adopted_by <> ?) OR adopted_by = ?) AND name <> ?`, to, from, to, from, to); err != nil {
		return err
	}
	// To stands for itself, also where a version before this one had it stand for another.
	if _, err := s.exec(ctx, `UPDATE bus_subscriptions SET state = 'active', adopted_by = '', adopted_at = 0 WHERE name = ? AND adopted_by <> ''`, to); err != nil {
		return err
	}
	return s.renameSchedule(ctx, from, to)
}

// move moves the deliveries of subscription from to subscription to, but for those that to has already. What a process is
// at work on stays with it. It runs in a transaction.
func (s store) move(ctx context.Context, from, to string) error {
	if from == to {
		return nil // what is below would take all for what to has already
	}
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

// waitsUnder is the condition that deliveries under a name, which is put in, wait that no process is at work on. It asks each
// index by itself: one question for all of them reads the whole table.
const waitsUnder = `(EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND state = 'pending' AND key = '') OR
	EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND key <> '' AND state <> 'running') OR
	EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND state = 'dead'))`

func (s store) waits(ctx context.Context, name string) (found bool, err error) {
	err = s.query(ctx, func(r *sql.Rows) error { return r.Scan(&found) }, `SELECT `+fmt.Sprintf(waitsUnder, "?"), name, name, name)
	return found, err
}

// forgetAfter is how long a name that stands for another, and that no process had since, is remembered: longer than anybody
// waits with the rollback of a rename.
const forgetAfter = 90 * 24 * time.Hour

// forget forgets the names that stand for others and have not been in use for long.
func (s store) forget(ctx context.Context) error {
	age := forgetAfter.Milliseconds()
	_, err := s.exec(ctx, `DELETE FROM bus_subscriptions WHERE state = 'retired' AND adopted_by <> '' AND adopted_at < {now} - ? AND seen_at < {now} - ?
		AND NOT EXISTS (SELECT 1 FROM bus_deliveries d WHERE d.subscription = bus_subscriptions.name)`, age, age)
	return err
}

// gather moves what is left under a name that l has taken over.
func (o *Outbox) gather(ctx context.Context, from string, l *lane) error {
	if err := o.db.InTx(ctx, func(ctx context.Context) error { return o.store.move(ctx, from, l.storedAs()) }); err != nil {
		return err
	}
	o.poller.open(l, 0)
	return nil
}
