package eventbus

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// register notes the subscriptions of this version as active.
func (o *Outbox) register(ctx context.Context) error {
	wanted, err := o.store.wantedTopics(ctx)
	if err != nil {
		return fmt.Errorf("read subscriptions: %w", err)
	}
	err = o.db.InTx(ctx, func(ctx context.Context) error {
		for _, l := range o.lanes {
			if err := o.store.register(ctx, &l.group); err != nil {
				return fmt.Errorf("register subscription %s: %w", l.group.Name, err)
			}
		}
		return o.store.forget(ctx)
	})
	if err != nil {
		return err
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

// seen tells other versions that these subscriptions are in use, and takes over what they still store under former
// names.
func (o *Outbox) seen(ctx context.Context) error {
	for _, l := range o.lanes {
		if len(l.group.Formerly) == 0 {
			continue
		}
		err := o.db.InTx(ctx, func(ctx context.Context) error { return o.store.inheritNames(ctx, &l.group) })
		if err != nil {
			return err
		}
		o.poller.open(l, 0)
	}
	return o.store.seen(ctx, o.names())
}

func (o *Outbox) names() []string {
	names := make([]string, len(o.lanes))
	for i, l := range o.lanes {
		names[i] = l.group.Name
	}
	return names
}

// refresh reads which topics have subscriptions that this version does not know, and gathers what is left under names that
// its own have taken over.
func (o *Outbox) refresh(ctx context.Context) error {
	subscriptions, err := o.store.subscriptions(ctx)
	if err != nil {
		return fmt.Errorf("read subscriptions: %w", err)
	}
	others := make(map[string][]string)
	for _, s := range subscriptions {
		if s.State == "active" && o.laneOf(s.Name) == nil {
			others[s.Topic] = append(others[s.Topic], s.Name)
		}
	}
	o.others.Store(&others)
	for _, s := range subscriptions {
		heir := o.laneOf(s.adoptedBy)
		if s.State == "active" || heir == nil {
			continue
		}
		if err := o.gather(ctx, s.Name, heir); err != nil {
			return fmt.Errorf("take over from %s: %w", s.Name, err)
		}
	}
	return nil
}

func (o *Outbox) laneOf(name string) *lane {
	for _, l := range o.lanes {
		if l.group.Name == name {
			return l
		}
	}
	return nil
}
