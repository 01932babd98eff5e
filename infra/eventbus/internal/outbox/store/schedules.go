package store

import (
	"context"
	"database/sql"
	"time"
)

// scheduleRow is what the database knows of a schedule.
type ScheduleRow struct {
	// passed is until when its times have been seen to, due the time of the last run, event that run's event.
	Passed, Due time.Time
	Event       string
	// asked is when an operator asked for a run; zero if none is asked for.
	Asked time.Time
}

// Schedules has the statements of schedules.
type Schedules struct{ Store }

// registerSchedule notes a schedule. Its times count from now on when it is new or has another spec than before.
func (s Schedules) Register(ctx context.Context, name, spec string) error {
	_, err := s.Exec(ctx, `INSERT INTO bus_schedules (name, spec, passed_at, due_at, event_id, asked_at) VALUES (?, ?, {now}, 0, '', 0)
		ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, passed_at = excluded.passed_at WHERE bus_schedules.spec <> excluded.spec`, name, spec)
	return err
}

// scheduleRows reads all schedules by name, and the time.
func (s Schedules) All(ctx context.Context) (rows map[string]ScheduleRow, now time.Time, err error) {
	rows = make(map[string]ScheduleRow)
	err = s.Query(ctx, func(r *sql.Rows) error {
		var name sql.NullString
		var event sql.NullString
		var at, passed, due, asked sql.NullInt64
		err := r.Scan(&at, &name, &passed, &due, &event, &asked)
		now = fromMilli(at.Int64)
		if name.Valid {
			rows[name.String] = ScheduleRow{Passed: fromMilli(passed.Int64), Due: fromMilli(due.Int64), Event: event.String, Asked: fromMilli(asked.Int64)}
		}
		return err
	}, `SELECT t.at, s.name, s.passed_at, s.due_at, s.event_id, s.asked_at FROM (SELECT {now} AS at) t LEFT JOIN bus_schedules s ON 1 = 1`)
	return rows, now, err
}

// advanceSchedule changes a schedule's row from what it was, unless somebody else has done so. It runs in a transaction.
func (s Schedules) Advance(ctx context.Context, name string, from, to ScheduleRow) (bool, error) {
	n, err := s.Exec(ctx, `UPDATE bus_schedules SET passed_at = ?, due_at = ?, event_id = ?, asked_at = ?
		WHERE name = ? AND passed_at = ? AND event_id = ? AND asked_at = ?`,
		milli(to.Passed), milli(to.Due), to.Event, milli(to.Asked), name, milli(from.Passed), from.Event, milli(from.Asked))
	return n == 1, err
}

// scheduleState is the state of a schedule's run whose event is given: "done" when there is no delivery of it left, "" when
// there has been no run.
func (s Schedules) RunState(ctx context.Context, event, name string) (state string, err error) {
	if event == "" {
		return "", nil
	}
	state = "done"
	err = s.Query(ctx, func(r *sql.Rows) error { return r.Scan(&state) },
		`SELECT state FROM bus_deliveries WHERE event_id = ? AND subscription = ?`, event, name)
	return state, err
}

// renameSchedule has a schedule go on under another name, unless that has a row of its own already.
func (s Schedules) renameSchedule(ctx context.Context, from, to string) error {
	if _, err := s.Exec(ctx, `UPDATE bus_schedules SET name = ? WHERE name = ? AND NOT EXISTS (SELECT 1 FROM bus_schedules WHERE name = ?)`, to, from, to); err != nil {
		return err
	}
	return s.Delete(ctx, from)
}

func (s Schedules) Delete(ctx context.Context, name string) error {
	_, err := s.Exec(ctx, `DELETE FROM bus_schedules WHERE name = ?`, name)
	return err
}

// askSchedule asks for a run of a schedule, and reports whether it is known.
func (s Schedules) RequestRun(ctx context.Context, name string) (bool, error) {
	n, err := s.Exec(ctx, `UPDATE bus_schedules SET asked_at = {now} WHERE name = ?`, name)
	return n == 1, err
}

// milli and fromMilli are between times and Unix milliseconds; 0 is no time.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
