package eventbus

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// register notes the subscriptions of this version as active, and has each lane know where its deliveries are stored.
func (o *Outbox) register(ctx context.Context) error {
	var wanted map[string]bool
	stored := make([]string, len(o.lanes))
	err := o.db.InTx(ctx, func(ctx context.Context) error {
		if err := o.store.lockSubscriptions(ctx); err != nil {
			return fmt.Errorf("lock subscriptions: %w", err)
		}
		known, err := o.store.heritage(ctx)
		if err != nil {
			return err
		}
		wanted = known.wantedTopics()
		r := registration{store: o.store, known: known, taken: o.known()}
		for i, l := range o.lanes {
			if stored[i], err = r.register(ctx, &l.group); err != nil {
				return fmt.Errorf("register subscription %s: %w", l.group.Name, err)
			}
		}
		return o.store.forget(ctx)
	})
	if err != nil {
		return err
	}
	for i, l := range o.lanes {
		l.stored.Store(&stored[i])
	}
	if err := o.announceTopics(ctx, wanted); err != nil {
		return err
	}
	return o.refresh(ctx)
}

// announceTopics waits until the other processes know that durable subscriptions of a topic have come where there were none:
// they store no event that only volatile ones want. They read the list in each poll. It returns when what they publish from
// then on is stored.
func (o *Outbox) announceTopics(ctx context.Context, wanted map[string]bool) error {
	news := slices.ContainsFunc(o.lanes, func(l *lane) bool {
		return !wanted[l.group.Topic] && !strings.HasPrefix(l.group.Topic, SchedulePrefix)
	})
	if !o.store.postgres || !news {
		return nil
	}
	others, err := o.store.processes(ctx, o.id())
	if err != nil {
		return fmt.Errorf("look for other processes: %w", err)
	}
	live := slices.ContainsFunc(others, func(p process) bool { return !p.expired })
	if live && !pause(ctx, 2*o.cfg.Poll) {
		return ctx.Err()
	}
	return nil
}

// seen tells other versions that these subscriptions are in use.
func (o *Outbox) seen(ctx context.Context) error { return o.store.seen(ctx, o.names()) }

func (o *Outbox) names() []string {
	names := make([]string, len(o.lanes))
	for i, l := range o.lanes {
		names[i] = l.group.Name
	}
	return names
}

// known returns the names of this version's subscriptions.
func (o *Outbox) known() map[string]bool {
	known := make(map[string]bool, len(o.lanes))
	for _, l := range o.lanes {
		known[l.group.Name] = true
	}
	return known
}

func (o *Outbox) storedNames() []string {
	names := make([]string, len(o.lanes))
	for i, l := range o.lanes {
		names[i] = l.storedAs()
	}
	return names
}

// storedAs returns the name under which the deliveries of this version's subscription called name are stored.
func (o *Outbox) storedAs(name string) string {
	for _, l := range o.lanes {
		if l.group.Name == name {
			return l.storedAs()
		}
	}
	return name
}

// storedAs returns the name under which the group's deliveries are stored.
func (l *lane) storedAs() string {
	if name := l.stored.Load(); name != nil {
		return *name
	}
	return l.group.Name
}

// refresh reads which topics have subscriptions that this version does not know, and gathers what is left under names that
// stand for its own.
func (o *Outbox) refresh(ctx context.Context) error {
	known, err := o.store.heritage(ctx)
	if err != nil {
		return err
	}
	others := make(map[string][]string)
	for _, s := range known {
		if s.State == "active" && o.laneOf(s.Name) == nil {
			others[s.Topic] = append(others[s.Topic], s.Name)
		}
	}
	o.others.Store(&others)
	for _, s := range known {
		heir := o.laneOf(known.storedAs(s.Name))
		if s.left && heir != nil && heir.storedAs() != s.Name {
			if err := o.gather(ctx, s.Name, heir); err != nil {
				return fmt.Errorf("take over from %s: %w", s.Name, err)
			}
		}
	}
	return nil
}

// laneOf returns the lane whose deliveries are stored under name, or nil.
func (o *Outbox) laneOf(name string) *lane {
	for _, l := range o.lanes {
		if l.storedAs() == name {
			return l
		}
	}
	return nil
}
