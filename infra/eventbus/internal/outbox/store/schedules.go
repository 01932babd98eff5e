package store

import (
	"context"
	"database/sql"
	"time"
)

// ScheduleRow is the progress of a schedule.
type ScheduleRow struct {
	// Passed is the time up to which the schedule's times have been published or skipped.
	Passed time.Time
	// Due is the time of the last run. Event is the id of the event of the last run.
	Due   time.Time
	Event string
	// Asked is when an operator asked for a run; zero without such a request.
	Asked time.Time
}

// Schedules has the statements of schedules.
type Schedules struct{ Store }

// Register adds a schedule, or changes its spec. The times of a new or changed schedule count from now on.
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

// Advance changes a schedule's row, and returns false if the row is no longer equal to from, since another process has changed it.
// Advance runs in a transaction.
func (s Schedules) Advance(ctx context.Context, name string, from, to ScheduleRow) (bool, error) {
	return s.runOne(ctx, `UPDATE bus_schedules SET passed_at = ?, due_at = ?, event_id = ?, asked_at = ?
		WHERE name = ? AND passed_at = ? AND event_id = ? AND asked_at = ?`,
		milli(to.Passed), milli(to.Due), to.Event, milli(to.Asked), name, milli(from.Passed), from.Event, milli(from.Asked))
}

// RunState returns the state of a run: "pending", "running" or "dead" as in the delivery of its event, "done" when this delivery has
// been deleted, and "" when event is "".
func (s Schedules) RunState(ctx context.Context, event, name string) (state string, err error) {
	if event == "" {
		return "", nil
	}
	state = "done"
	_, err = s.QueryRow(ctx, []any{&state}, `SELECT state FROM bus_deliveries WHERE event_id = ? AND subscription = ?`, event, name)
	return state, err
}

// rename gives the row of a schedule another name. If a row of the new name exists, rename only deletes the old row.
func (s Schedules) rename(ctx context.Context, from, to string) error {
	if err := s.run(ctx, `UPDATE bus_schedules SET name = ? WHERE name = ? AND NOT EXISTS (SELECT 1 FROM bus_schedules WHERE name = ?)`, to, from, to); err != nil {
		return err
	}
	return s.Delete(ctx, from)
}

// Delete deletes a schedule.
func (s Schedules) Delete(ctx context.Context, name string) error {
	return s.run(ctx, `DELETE FROM bus_schedules WHERE name = ?`, name)
}

// RequestRun notes that an operator asks for a run of a schedule. Known is false if the schedule has no row.
func (s Schedules) RequestRun(ctx context.Context, name string) (known bool, err error) {
	return s.runOne(ctx, `UPDATE bus_schedules SET asked_at = {now} WHERE name = ?`, name)
}
