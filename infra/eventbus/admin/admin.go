// Package admin shows operators the stored events.
//
// It lists subscriptions, deliveries, events and schedules, and changes them: it replays or discards deliveries, retires or adopts
// subscriptions, and runs schedules. The service's command line calls it. It needs an open and migrated database, but no running bus. A
// running bus notices a change within its poll interval. A change of many deliveries takes several transactions; each transaction also
// records the actor. All methods may be called concurrently. Their errors have codes: app.NotFound, app.Conflict, app.Invalid.
//
// Package store has the statements that change rows. The statements that list deliveries, events and actions are here, since each
// fills a type of this package.
package admin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"plugboard/app"
	"plugboard/infra/eventbus/internal/outbox/store"
	cron "plugboard/infra/eventbus/internal/schedule"
)

// Admin has the operations of operators on the event bus.
type Admin struct {
	store store.Store
	actor string
	// known has the names of this build's subscriptions: true for durable ones, false for volatile ones.
	known map[string]bool
	// schedules has this build's durable schedules.
	schedules []KnownSchedule
	// lease is how long a process counts as alive after its last sign of life. park is how long a delivery is parked.
	lease, park time.Duration
}

// KnownSchedule is a durable schedule of this build.
type KnownSchedule struct {
	Name, Spec, Plugin string
	Times              cron.Timetable
}

// New returns an Admin that records its changes as made by actor. Known has the names of this build's subscriptions: true for durable
// ones, false for volatile ones. Lease is how long a process counts as alive after its last sign of life. Park is how long a delivery is
// parked.
func New(s store.Store, actor string, known map[string]bool, schedules []KnownSchedule, lease, park time.Duration) *Admin {
	return &Admin{store: s, actor: actor, known: known, schedules: schedules, lease: lease, park: park}
}

// Subscriptions lists all durable subscriptions with their counts. A subscription with several names is listed once. A name is listed by
// itself, as a retired subscription, in two cases: deliveries are still stored under a former name, or the name occurs only in deliveries.
func (a *Admin) Subscriptions(ctx context.Context) ([]Subscription, error) {
	names, err := a.store.Subscriptions().Names(ctx)
	if err != nil {
		return nil, fmt.Errorf("list subscriptions: %w", err)
	}
	counts, err := a.store.Subscriptions().Counts(ctx)
	if err != nil {
		return nil, fmt.Errorf("count deliveries: %w", err)
	}
	var all []Subscription
	for name := range names {
		if names.StoredAs(name) == name {
			all = append(all, a.describe(names, name, counts[name]))
			delete(counts, name)
		}
	}
	topics, err := a.store.Subscriptions().Topics(ctx, slices.Collect(maps.Keys(counts)))
	if err != nil {
		return nil, fmt.Errorf("look for topics: %w", err)
	}
	for name, c := range counts {
		s := Subscription{Name: name, Topic: topics[name], State: "retired", Plugin: names[name].Plugin, SeenAt: names[name].SeenAt}
		all = append(all, s.with(c, a.park))
	}
	slices.SortFunc(all, func(x, y Subscription) int { return strings.Compare(x.Name, y.Name) })
	return all, nil
}

// describe describes the subscription whose deliveries are stored under storedAs.
func (a *Admin) describe(known store.Names, storedAs string, c store.Counts) Subscription {
	names, name := known.NamesOf(storedAs), known.DisplayName(storedAs, a.known)
	s := Subscription{
		Name: name, Topic: known[storedAs].Topic, State: known[storedAs].State, Plugin: known[name].Plugin, SeenAt: known[names[0]].SeenAt,
	}
	s.Orphan = s.State == "active" && !a.hasAny(names)
	s.Names = slices.DeleteFunc(names, func(n string) bool { return n == name })
	slices.Sort(s.Names)
	return s.with(c, a.park)
}

// hasAny reports whether this build has a durable subscription of one of the names.
func (a *Admin) hasAny(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return a.known[name] })
}

// with returns s with the counts c.
func (s Subscription) with(c store.Counts, park time.Duration) Subscription {
	s.Pending, s.Running, s.Dead, s.Oldest = c.Pending, c.Running, c.Dead, c.Oldest
	s.Parked, s.RunningSince = c.Parked, c.RunningSince
	if !c.ParkedSince.IsZero() {
		s.ParkedUntil = c.ParkedSince.Add(park)
	}
	return s
}

// Schedules lists the durable schedules of this build.
func (a *Admin) Schedules(ctx context.Context) ([]Schedule, error) {
	rows, now, err := a.store.Schedules().All(ctx)
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}
	names, err := a.store.Subscriptions().Names(ctx)
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}
	all := make([]Schedule, len(a.schedules))
	for i, sc := range a.schedules {
		all[i] = Schedule{Name: sc.Name, Spec: sc.Spec, Plugin: sc.Plugin}
		name := names.StoredAs(sc.Name)
		row, ok := rows[name]
		if !ok {
			continue
		}
		all[i].Next, all[i].Last, all[i].EventID, all[i].Asked = sc.Times.Next(row.Passed).UTC(), row.Due, row.Event, row.Asked
		if all[i].Next.Before(now) {
			all[i].Next = sc.Times.Next(now).UTC()
		}
		if all[i].State, err = a.store.Schedules().RunState(ctx, row.Event, name); err != nil {
			return nil, fmt.Errorf("look at the last run of %s: %w", sc.Name, err)
		}
	}
	return all, nil
}

func inUse(name string) error {
	return app.Errorf(app.Conflict, "subscription %q is in use by this version of the service", name)
}
