package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"plugboard/app"
	"plugboard/infra/eventbus/internal/message"
)

// Replay makes the dead deliveries that f selects pending again, and returns how many. They keep their event ids, and their attempts
// count from the beginning. Replay does not touch a delivery that dies after Replay has begun.
func (a *Admin) Replay(ctx context.Context, f Filter) (int, error) {
	f.State = "dead"
	return a.change(ctx, "replay", f, a.store.Operations().Replay)
}

// Discard deletes the dead deliveries that f selects, and returns how many. It does not touch a delivery that dies after Discard has
// begun.
//
// With State "pending" it deletes the waiting deliveries of the subscription that f names. The error is app.Conflict when a running
// version has this subscription.
func (a *Admin) Discard(ctx context.Context, f Filter) (int, error) {
	if f.State != "pending" {
		f.State = "dead"
		return a.change(ctx, "discard", f, a.store.Operations().DiscardDead)
	}
	if err := a.CheckUnused(ctx, f.Subscription); err != nil {
		return 0, err
	}
	return a.change(ctx, "discard", f, a.store.Operations().DiscardPending)
}

// CheckUnused returns app.Conflict when this build or another process of the service has the subscription, and app.NotFound when there is
// no subscription of this name.
func (a *Admin) CheckUnused(ctx context.Context, name string) error {
	known, err := a.store.Subscriptions().Names(ctx)
	if err != nil {
		return err
	}
	if _, ok := known[name]; !ok {
		switch n, err := a.Count(ctx, Filter{Subscription: name}); {
		case err != nil:
			return err
		case name == "" || n == 0:
			return app.Errorf(app.NotFound, "there is no subscription %q", name)
		}
	}
	names := known.NamesOf(known.StoredAs(name))
	if a.hasAny(names) {
		return inUse(name)
	}
	now, err := a.store.Now(ctx)
	if err != nil {
		return fmt.Errorf("look at the time: %w", err)
	}
	if silent := now.Sub(known[names[0]].SeenAt); silent < a.lease {
		return app.Errorf(app.Conflict, "subscription %q was in use %s ago by a process of another version; stop that one, and wait for %s", name,
			max(0, silent.Round(time.Second)), a.lease)
	}
	return nil
}

// changeBatch is the most deliveries that are changed in one transaction.
const changeBatch = 200

// changeOne changes a delivery, and returns false when another operator was faster.
type changeOne func(ctx context.Context, id, storedAs string) (bool, error)

func (a *Admin) change(ctx context.Context, action string, f Filter, one changeOne) (total int, err error) {
	f.Limit = changeBatch
	if f.State == "dead" {
		f.diedBefore, err = a.store.Operations().LastDeath(ctx)
	}
	for more := true; more && err == nil; {
		var changed int
		var last Delivery
		err = a.store.DB.InTx(ctx, func(ctx context.Context) (err error) {
			changed, last, more, err = a.changeSome(ctx, action, f, one)
			return err
		})
		if err == nil {
			total += changed
			f.afterEvent, f.afterSubscription = last.EventID, last.storedAs
		}
	}
	if err != nil {
		return total, fmt.Errorf("%s deliveries: %w", action, err)
	}
	return total, nil
}

// changeSome changes the first deliveries that f selects. Last is the last of them. More is true if f may select others.
func (a *Admin) changeSome(ctx context.Context, action string, f Filter, one changeOne) (changed int, last Delivery, more bool, err error) {
	deliveries, err := a.Deliveries(ctx, f)
	if err != nil {
		return 0, last, false, err
	}
	for _, d := range deliveries {
		last = d
		mine, err := one(ctx, d.EventID, d.storedAs)
		if err != nil {
			return 0, last, false, err
		}
		if !mine {
			continue
		}
		if err := a.store.Deliveries().UnmarkNextBehind(ctx, d.storedAs, d.Key); err != nil {
			return 0, last, false, err
		}
		//crash:point during replay
		if err := a.record(ctx, action, d.EventID, d.Subscription, d.Error); err != nil {
			return 0, last, false, err
		}
		changed++
	}
	return changed, last, len(deliveries) == f.Limit, nil
}

func (a *Admin) record(ctx context.Context, action, event, subscription, detail string) error {
	if err := a.store.Operations().Record(ctx, action, a.actor, event, subscription, detail); err != nil {
		return fmt.Errorf("record %s: %w", action, err)
	}
	return nil
}

// Retire ends new deliveries to a subscription that no version uses any more. The waiting deliveries stay until somebody adopts or
// discards them, or a version has the subscription again. Retire refuses a subscription of this build with app.Conflict, since the
// next start would make it active again.
func (a *Admin) Retire(ctx context.Context, name string) error {
	return a.store.DB.InTx(ctx, func(ctx context.Context) error {
		t, err := a.find(ctx, name)
		if err != nil {
			return err
		}
		if a.hasAny(t.names) {
			return inUse(name)
		}
		if err := a.store.Operations().Retire(ctx, t.storedAs); err != nil {
			return fmt.Errorf("retire subscription: %w", err)
		}
		return a.record(ctx, "retire", "", name, "")
	})
}

// Run asks for a run of a durable schedule of this build, in addition to its times. A process of the service publishes the run as soon as
// the last run is done. A second call before that adds no further run. The error is app.NotFound when no process has registered the
// schedule.
func (a *Admin) Run(ctx context.Context, name string) error {
	if !slices.ContainsFunc(a.schedules, func(sc KnownSchedule) bool { return sc.Name == name }) {
		return app.Errorf(app.NotFound, "there is no schedule %q in this version of the service", name)
	}
	return a.store.DB.InTx(ctx, func(ctx context.Context) error {
		names, err := a.store.Subscriptions().Names(ctx)
		if err != nil {
			return err
		}
		known, err := a.store.Schedules().RequestRun(ctx, names.StoredAs(name))
		if err != nil {
			return fmt.Errorf("ask for a run: %w", err)
		}
		if !known {
			return app.Errorf(app.NotFound, "schedule %q has not been registered yet: the service has not run with it", name)
		}
		return a.record(ctx, "run", "", name, "")
	})
}

// target is the subscription that an operator named: the name under which its deliveries are stored, its topic, and all its names.
type target struct {
	storedAs, topic string
	names           []string
}

// find finds the subscription of a name. The name may occur only in deliveries.
func (a *Admin) find(ctx context.Context, name string) (target, error) {
	known, err := a.store.Subscriptions().Names(ctx)
	if err != nil {
		return target{}, err
	}
	t := target{storedAs: known.StoredAs(name), topic: known[name].Topic}
	t.names = known.NamesOf(t.storedAs)
	if t.topic != "" {
		return t, nil
	}
	topics, err := a.store.Subscriptions().Topics(ctx, []string{name})
	if err != nil {
		return target{}, fmt.Errorf("look for deliveries to %s: %w", name, err)
	}
	if t.topic = topics[name]; t.topic == "" {
		return target{}, app.Errorf(app.NotFound, "there is no subscription %q", name)
	}
	return t, nil
}

// Adopt makes oldName another name of the subscription newName, which has the same topic. It moves the waiting and the dead deliveries of
// oldName to newName. Two kinds of deliveries follow later: a process has claimed them now and gives them back, or a process that does
// not know of the adoption yet stores them. A version of the service that has only oldName handles the deliveries of newName from its
// next start on. Adopt refuses an oldName that this build has.
//
// Until now there were two subscriptions. If newName has handled an event and oldName has not, newName gets this event again: the
// database does not keep which subscription has handled which event. A rename with app.Formerly does not have this effect.
func (a *Admin) Adopt(ctx context.Context, oldName, newName string) error {
	if oldName == newName {
		return app.Errorf(app.Invalid, "a subscription cannot adopt itself")
	}
	if a.known[oldName] {
		return inUse(oldName)
	}
	return a.store.DB.InTx(ctx, func(ctx context.Context) error {
		if err := a.store.Subscriptions().Lock(ctx); err != nil {
			return err
		}
		if err := a.adopt(ctx, oldName, newName); err != nil {
			return err
		}
		return a.record(ctx, "adopt", "", newName, "from "+oldName)
	})
}

func (a *Admin) adopt(ctx context.Context, oldName, newName string) error {
	from, err := a.find(ctx, oldName)
	if err != nil {
		return err
	}
	to, err := a.find(ctx, newName)
	switch {
	case err != nil:
		return err
	case !message.SameTopic(from.topic, to.topic):
		return app.Errorf(app.Invalid, "subscription %q takes %s and %q takes %s; one cannot adopt the other's events", oldName, from.topic, newName, to.topic)
	case from.storedAs == to.storedAs: // deliveries may still be stored under the old name
		return a.store.Subscriptions().MoveDeliveries(ctx, oldName, to.storedAs)
	case a.hasAny(from.names):
		return inUse(oldName)
	}
	for _, name := range []string{from.storedAs, to.storedAs} {
		if err := a.store.Operations().AddRetired(ctx, name, to.topic); err != nil {
			return fmt.Errorf("note subscription %s: %w", name, err)
		}
	}
	if err := a.store.Subscriptions().Rename(ctx, from.storedAs, to.storedAs); err != nil {
		return fmt.Errorf("move what waits for %s: %w", oldName, err)
	}
	return nil
}
