package eventbus

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"plugboard/app"
	cron "plugboard/infra/eventbus/internal/schedule"
)

var dueType = reflect.TypeFor[app.Due]()

// schedule is a registered schedule: a subscription, and who publishes for it.
type schedule struct {
	*subscription

	spec        string
	times       cron.Timetable
	publication *publication
	// published and skipped count the times that came.
	published, skipped prometheus.Counter
}

// scheduler publishes an event for each time that comes. Of the processes on one database the first to advance the
// schedule's row publishes, in the same transaction: a time has one event, whoever dies.
type scheduler struct {
	bus    *Bus
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	// passed is until when the times of volatile schedules have been seen to.
	passed map[*schedule]time.Time
}

// start registers the schedules and begins. The outbox must have been started.
func (s *scheduler) start(ctx context.Context) error {
	durable, volatile := s.bus.wiring.schedulesByKind()
	for _, sc := range durable {
		if err := s.bus.outbox.store.registerSchedule(ctx, s.bus.outbox.storedAs(sc.name), sc.spec); err != nil {
			return fmt.Errorf("register schedule %s: %w", sc.name, err)
		}
	}
	run, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	if len(durable) > 0 {
		s.tasks.Go(func() { repeat(run, func() time.Duration { return s.look(run, durable) }) })
	}
	if len(volatile) > 0 {
		s.passed = make(map[*schedule]time.Time, len(volatile))
		for _, sc := range volatile {
			s.passed[sc] = time.Now().UTC()
		}
		s.tasks.Go(func() { repeat(run, func() time.Duration { return s.lookVolatile(run, volatile) }) })
	}
	return nil
}

// stop has nothing published any more. It may be called without start.
func (s *scheduler) stop() {
	if s.cancel != nil {
		s.cancel()
	}
	s.tasks.Wait()
}

// repeat calls fn until ctx ends, each time after the wait that the last call returned.
func repeat(ctx context.Context, fn func() time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(fn())
		}
	}
}

// look sees to the times of durable schedules, and returns how long to wait for the next: no longer than the poll, since
// operators and other processes change the rows.
func (s *scheduler) look(ctx context.Context, schedules []*schedule) time.Duration {
	wait := s.bus.cfg.Poll
	rows, now, err := s.bus.outbox.store.scheduleRows(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.bus.log.Warn("schedules not read", zap.Error(err))
		}
		return wait
	}
	for _, sc := range schedules {
		row, ok := rows[s.bus.outbox.storedAs(sc.name)]
		if !ok { // retired by hand, by another version
			err = s.bus.outbox.store.registerSchedule(ctx, s.bus.outbox.storedAs(sc.name), sc.spec)
		} else {
			var next time.Time
			next, err = s.see(ctx, sc, row, now)
			wait = min(wait, next.Sub(now))
		}
		if err != nil && ctx.Err() == nil {
			s.bus.log.Warn("scheduled run not published yet", zap.String("schedule", sc.name), zap.Error(err))
		}
	}
	return wait
}

// see publishes if a time of sc has come, or a run was asked for, and returns the next time.
func (s *scheduler) see(ctx context.Context, sc *schedule, row scheduleRow, now time.Time) (next time.Time, err error) {
	at, passed := sc.due(row.passed, now)
	if !at.IsZero() || !row.asked.IsZero() {
		err = s.publish(ctx, sc, row, at, passed)
	}
	return sc.times.Next(passed), err
}

// due returns the first time after passed, if it has come by now, and until when it makes up for those that were missed.
func (sc *schedule) due(passed, now time.Time) (at, until time.Time) {
	at = sc.times.Next(passed)
	switch {
	case at.After(now):
		return time.Time{}, passed
	case sc.times.Next(at).After(now):
		return at, at
	default:
		return at, now
	}
}

// publish publishes the run that is due at a time, or if that is zero the one that was asked for, unless another process
// has done so. If the last run is not done, a time that is due is left out, and what was asked for waits.
func (s *scheduler) publish(ctx context.Context, sc *schedule, row scheduleRow, at, passed time.Time) error {
	store, name := s.bus.outbox.store, s.bus.outbox.storedAs(sc.name)
	var outcome prometheus.Counter
	err := s.bus.db.InTx(ctx, func(ctx context.Context) error {
		outcome = nil
		state, err := store.scheduleState(ctx, row.event, name)
		running := state == "pending" || state == "running"
		if err != nil || running && at.IsZero() {
			return err
		}
		if running {
			next := row
			next.passed = passed
			if first, err := store.advanceSchedule(ctx, name, row, next); err != nil || !first {
				return err
			}
			outcome = sc.skipped
			return nil
		}
		due := at
		if at.IsZero() {
			due = row.asked
		}
		m, err := sc.message(ctx, due)
		if err != nil {
			return err
		}
		first, err := store.advanceSchedule(ctx, name, row, scheduleRow{passed: passed, due: due, event: m.ID()})
		if err != nil || !first {
			return err
		}
		outcome = sc.published
		return s.bus.publish(ctx, sc.publication, m)
	})
	if err == nil && outcome != nil {
		outcome.Inc()
	}
	return err
}

// message returns the event of the run that is due at a time.
func (sc *schedule) message(ctx context.Context, at time.Time) (*Message, error) {
	m := &Message{}
	return m, sc.publication.fill(ctx, m, Now(), app.Due{At: at}, nil)
}

// lookVolatile sees to the times of volatile schedules, and returns how long to wait for the next.
func (s *scheduler) lookVolatile(ctx context.Context, schedules []*schedule) time.Duration {
	now := time.Now().UTC()
	wait := time.Hour // at most, since the clock may be set
	for _, sc := range schedules {
		at, passed := sc.due(s.passed[sc], now)
		s.passed[sc] = passed
		wait = min(wait, sc.times.Next(passed).Sub(now))
		switch {
		case at.IsZero():
		case !sc.publication.lanes[0].quiet():
			sc.skipped.Inc()
		default:
			if err := sc.run(ctx, s.bus, at); err != nil {
				s.bus.log.Warn("scheduled run not published", zap.String("schedule", sc.name), zap.Error(err))
			}
		}
	}
	return wait
}

// run publishes a run that is due at a time, whatever the schedule says, and whether or not the last one is done.
func (sc *schedule) run(ctx context.Context, b *Bus, at time.Time) error {
	m, err := sc.message(ctx, at)
	if err != nil {
		return err
	}
	if err := b.publish(ctx, sc.publication, m); err != nil {
		return err
	}
	sc.published.Inc()
	return nil
}

// scheduleRow is what the database knows of a schedule.
type scheduleRow struct {
	// passed is until when its times have been seen to, due the time of the last run, event that run's event.
	passed, due time.Time
	event       string
	// asked is when an operator asked for a run; zero if none is asked for.
	asked time.Time
}
