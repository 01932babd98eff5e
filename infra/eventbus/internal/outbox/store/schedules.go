package store

import (
	"context"
	"database/sql"
	"time"
)

// ScheduleRow is the progress of a schedule.
type ScheduleRow struct {
	// Passed is the time up to which the schedule's times have been handled.
	Passed time.Time
	// Due is the time of the last run, Event that run's event.
	Due   time.Time
	Event string
	// Asked is when an operator asked for a run; zero when nobody did.
	Asked time.Time
}

// Schedules has the statements of schedules.
type Schedules struct{ Store }

// Register adds a schedule. A new schedule's times count from now on, and so do those of one that gets another spec.
func (s Schedules) Register(ctx context.Context, name, spec string) error {
	return s.run(ctx, `INSERT INTO bus_schedules (name, spec, passed_at, due_at, event_id, asked_at) VALUES (?, ?, {now}, 0, '', 0)
		ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, passed_at = excluded.passed_at WHERE bus_schedules.spec <> excluded.spec`, name, spec)
}

// All reads all schedules by name, and the database's time.
func (s Schedules) All(ctx context.Context) (rows map[string]ScheduleRow, now time.Time, err error) {
	rows = make(map[string]ScheduleRow)
	err = s.Query(ctx, func(r *sql.Rows) error {
		var name, event sql.NullString // NULL when there is no schedule
		var row ScheduleRow
		err := r.Scan(Millis{&now}, &name, Millis{&row.Passed}, Millis{&row.Due}, &event, Millis{&row.Asked})
		if row.Event = event.String; name.Valid {
			rows[name.String] = row
		}
		return err
	}, `SELECT t.at, s.name, s.passed_at, s.due_at, s.event_id, s.asked_at FROM (SELECT {now} AS at) t LEFT JOIN bus_schedules s ON 1 = 1`)
	return rows, now, err
}

// Advance changes a schedule's row from what it was, and reports false when somebody else has done so. It runs in a transaction.
func (s Schedules) Advance(ctx context.Context, name string, from, to ScheduleRow) (bool, error) {
	return s.runOne(ctx, `UPDATE bus_schedules SET passed_at = ?, due_at = ?, event_id = ?, asked_at = ?
		WHERE name = ? AND passed_at = ? AND event_id = ? AND asked_at = ?`,
		milli(to.Passed), milli(to.Due), to.Event, milli(to.Asked), name, milli(from.Passed), from.Event, milli(from.Asked))
}

// RunState returns the state of the run of a schedule that has an event: "pending", "running", "dead", "done" when its delivery
// is gone, or "" without an event.
func (s Schedules) RunState(ctx context.Context, event, name string) (state string, err error) {
	if event == "" {
		return "", nil
	}
	state = "done"
	_, err = s.QueryRow(ctx, []any{&state}, `SELECT state FROM bus_deliveries WHERE event_id = ? AND subscription = ?`, event, name)
	return state, err
}

// rename has a schedule go on under another name, unless that has a row of its own already.
func (s Schedules) rename(ctx context.Context, from, to string) error {
	if err := s.run(ctx, `UPDATE bus_schedules SET name = ? WHERE name = ? AND NOT EXISTS (SELECT 1 FROM bus_schedules WHERE name = ?)`, to, from, to); err != nil {
		return err
	}
	return s.Delete(ctx, from)
}

// Delete forgets a schedule.
func (s Schedules) Delete(ctx context.Context, name string) error {
	return s.run(ctx, `DELETE FROM bus_schedules WHERE name = ?`, name)
}

// RequestRun asks for a run of a schedule, and reports whether the schedule is known.
func (s Schedules) RequestRun(ctx context.Context, name string) (known bool, err error) {
	return s.runOne(ctx, `UPDATE bus_schedules SET asked_at = {now} WHERE name = ?`, name)
}
