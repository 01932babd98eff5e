package schedule

import (
	"context"
	"fmt"
	"sync"
	"time"

	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/store"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Schedule is one schedule of this version of the service.
type Schedule struct {
	Name, Spec string
	Times      Timetable
	// Message makes the event for a time. Publish publishes this event, in the transaction of ctx if there is one.
	Message func(ctx context.Context, at time.Time) (*message.Message, error)
	Publish func(ctx context.Context, m *message.Message) error
	// Quiet reports whether the last run of a volatile schedule is done; nil for a durable one.
	Quiet func() bool
	// Published counts the events that were published. Skipped counts the times without an event, since the last run was not done.
	Published, Skipped prometheus.Counter
}

// Scheduler publishes an event when a time of a schedule has come. When several processes share a database, the first process that
// advances the row of a durable schedule publishes the event in the same transaction. So each time has one event, even when a process
// crashes.
type Scheduler struct {
	poll              time.Duration
	store             store.Schedules
	storedAs          func(name string) string
	log               *zap.Logger
	durable, volatile []*Schedule
	// passed has, for each volatile schedule, the time up to which its times have been published or skipped.
	passed map[*Schedule]time.Time

	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// New returns a scheduler for all. The scheduler reads the rows of durable schedules at least once in each poll. StoredAs returns the
// name under which the row of a schedule is stored.
func New(all []*Schedule, poll time.Duration, store store.Schedules, storedAs func(name string) string, log *zap.Logger) *Scheduler {
	s := &Scheduler{poll: poll, store: store, storedAs: storedAs, log: log, passed: make(map[*Schedule]time.Time)}
	for _, sc := range all {
		if sc.Quiet != nil {
			s.volatile = append(s.volatile, sc)
		} else {
			s.durable = append(s.durable, sc)
		}
	}
	return s
}

// Start registers the schedules and begins to publish. It is called once.
func (s *Scheduler) Start(ctx context.Context) error {
	for _, sc := range s.durable {
		if err := s.store.Register(ctx, s.storedAs(sc.Name), sc.Spec); err != nil {
			return fmt.Errorf("register schedule %s: %w", sc.Name, err)
		}
	}
	run, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	if len(s.durable) > 0 {
		s.tasks.Go(func() { message.Repeat(run, func() time.Duration { return s.pollDurable(run) }) })
	}
	if len(s.volatile) > 0 {
		for _, sc := range s.volatile {
			s.passed[sc] = time.Now().UTC()
		}
		s.tasks.Go(func() { message.Repeat(run, func() time.Duration { return s.pollVolatile(run) }) })
	}
	return nil
}

// Stop ends publishing. It may be called without Start, and on nil.
func (s *Scheduler) Stop() {
	if s == nil {
		return
	}
	if s.cancel != nil {
		s.cancel()
	}
	s.tasks.Wait()
}

// pollDurable publishes events for the times of durable schedules that have come. It returns the wait until the next time. The wait is
// never longer than the poll, since operators and other processes change the rows.
func (s *Scheduler) pollDurable(ctx context.Context) time.Duration {
	wait := s.poll
	rows, now, err := s.store.All(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn("read of schedules failed", zap.Error(err))
		}
		return wait
	}
	for _, sc := range s.durable {
		name := s.storedAs(sc.Name)
		row, ok := rows[name]
		if !ok { // another version has retired it
			err = s.store.Register(ctx, name, sc.Spec)
		} else {
			var next time.Time
			next, err = s.publishDue(ctx, sc, name, row, now)
			wait = min(wait, next.Sub(now))
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("publication of a scheduled run failed", zap.String("schedule", sc.Name), zap.Error(err))
		}
	}
	return wait
}

// publishDue publishes a run if a time of sc has come, or an operator has asked for a run. It returns the next time of sc.
func (s *Scheduler) publishDue(ctx context.Context, sc *Schedule, name string, row store.ScheduleRow, now time.Time) (next time.Time, err error) {
	at, passed := sc.due(row.Passed, now)
	if !at.IsZero() || !row.Asked.IsZero() {
		err = s.publish(ctx, sc, name, row, at, passed)
	}
	return sc.Times.Next(passed), err
}

// due returns the first time after passed if it has come by now, and otherwise the zero time. When several times have come, one run
// stands for all of them. Until is the time up to which this run stands for times.
func (sc *Schedule) due(passed, now time.Time) (at, until time.Time) {
	at = sc.Times.Next(passed)
	switch {
	case at.After(now):
		return time.Time{}, passed
	case sc.Times.Next(at).After(now):
		return at, at
	default:
		return at, now
	}
}

// publish publishes the run for the time at. With the zero time, it publishes the run that an operator asked for. It does nothing when
// another process was faster. While the last run is not done, it skips the time at, and leaves an operator's run to a later poll.
func (s *Scheduler) publish(ctx context.Context, sc *Schedule, name string, row store.ScheduleRow, at, passed time.Time) error {
	var counter prometheus.Counter
	err := s.store.DB.InTx(ctx, func(ctx context.Context) error {
		counter = nil
		state, err := s.store.RunState(ctx, row.Event, name)
		running := state == "pending" || state == "running"
		if err != nil || running && at.IsZero() {
			return err
		}
		if running {
			next := row
			next.Passed = passed
			if first, err := s.store.Advance(ctx, name, row, next); err != nil || !first {
				return err
			}
			counter = sc.Skipped
			return nil
		}
		due := at
		if at.IsZero() {
			due = row.Asked
		}
		m, err := sc.Message(ctx, due)
		if err != nil {
			return err
		}
		first, err := s.store.Advance(ctx, name, row, store.ScheduleRow{Passed: passed, Due: due, Event: m.ID()})
		if err != nil || !first {
			return err
		}
		counter = sc.Published
		return sc.Publish(ctx, m)
	})
	if err == nil && counter != nil {
		counter.Inc()
	}
	return err
}

// pollVolatile publishes events for the times of volatile schedules that have come, and returns the wait until the next time.
func (s *Scheduler) pollVolatile(ctx context.Context) time.Duration {
	now := time.Now().UTC()
	wait := time.Hour // not longer, since somebody may set the clock meanwhile
	for _, sc := range s.volatile {
		at, passed := sc.due(s.passed[sc], now)
		s.passed[sc] = passed
		wait = min(wait, sc.Times.Next(passed).Sub(now))
		switch {
		case at.IsZero():
		case !sc.Quiet():
			sc.Skipped.Inc()
		default:
			if err := sc.Run(ctx, at); err != nil {
				s.log.Warn("publication of a scheduled run failed", zap.String("schedule", sc.Name), zap.Error(err))
			}
		}
	}
	return wait
}

// Run publishes a run for any time, also when the schedule is not due then, and when the last run is not done.
func (sc *Schedule) Run(ctx context.Context, at time.Time) error {
	m, err := sc.Message(ctx, at)
	if err != nil {
		return err
	}
	if err := sc.Publish(ctx, m); err != nil {
		return err
	}
	sc.Published.Inc()
	return nil
}
