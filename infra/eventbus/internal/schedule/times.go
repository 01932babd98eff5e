package schedule

import "time"

// times are the times that the five fields of a spec name, in a time zone. Where the zone's clocks change, they follow
// cron(8):
//
//   - A schedule that gives both its minutes and its hours, as "30 2 * * *" does, is due once for each of these times on each
//     day. When the clocks repeat an hour, it is due in the first one. When the clocks skip its time, it is due at the moment of
//     the change, unless the clocks change by more than three hours: that is a correction of the zone, and nothing is made up.
//   - A schedule with a star for its minutes or its hours, as in "*/20 * * * *", is due whenever the clock shows such a time:
//     twice in a repeated hour, and never in a skipped one.
type times struct {
	// Each of these is a set: bit n tells that it has the value n.
	minutes, hours, days, months, weekdays uint64
	// both tells that a day must have the right day of the month and the right weekday, because one of these fields is a star.
	// Without a star either is enough.
	both bool
	// starred tells that minutes or hours have a star.
	starred bool
	zone    *time.Location
}

// longestChange is how far clocks may go forward for a skipped time to be made up.
const longestChange = 3 * time.Hour

// Next implements Timetable.
func (s *times) Next(t time.Time) time.Time {
	if s.starred {
		return s.nextShown(t)
	}
	for wall := s.nextWall(wallOf(t.In(s.zone))); !wall.IsZero(); wall = s.nextWall(wall) {
		if at, ok := s.moment(wall); ok && at.After(t) {
			return at.UTC()
		}
	}
	return time.Time{}
}

// nextShown returns the first time after t at which the clock shows a time of s. It searches from one change of the clock
// to the next, since the clock runs evenly between them.
func (s *times) nextShown(t time.Time) time.Time {
	t = t.In(s.zone)
	for after := wallOf(t); ; {
		wall := s.nextWall(after)
		if wall.IsZero() {
			return time.Time{}
		}
		_, offset := t.Zone()
		at := wall.Add(-time.Duration(offset) * time.Second)
		_, end := t.ZoneBounds()
		if end.IsZero() || at.Before(end) {
			return at.UTC()
		}
		t = end
		after = wallOf(t).Add(-time.Nanosecond) // the moment of the change may be such a time
	}
}

// wallOf returns what the clock shows at t, as a time in UTC.
func wallOf(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// moment returns when the clock of the zone shows wall for the first time, or the moment at which it skips wall. It reports
// false when the clock skips wall by more than longestChange.
func (s *times) moment(wall time.Time) (at time.Time, ok bool) {
	const day = 24 * time.Hour // more than any offset
	for t := wall.Add(-day).In(s.zone); ; {
		start, end := t.ZoneBounds()
		_, offset := t.Zone()
		at = wall.Add(-time.Duration(offset) * time.Second)
		switch {
		case !end.IsZero() && !at.Before(end):
			t = end
		case !start.IsZero() && at.Before(start): // the clock shows wall neither before the change nor after it
			_, before := start.Add(-time.Nanosecond).Zone()
			return start, time.Duration(offset-before)*time.Second <= longestChange
		default:
			return at, true
		}
	}
}

// yearsAhead is how far the search for the next time goes: 29 February comes on a given weekday every 28 years, or after 40
// around the year 2100.
const yearsAhead = 40

// nextWall returns the first time of s after wall on a clock that never changes, or the zero time when there is none.
func (s *times) nextWall(wall time.Time) time.Time {
	wall = wall.Truncate(time.Minute).Add(time.Minute)
	day := time.Date(wall.Year(), wall.Month(), wall.Day(), 0, 0, 0, 0, time.UTC)
	for last := day.AddDate(yearsAhead, 0, 0); !day.After(last); day = day.AddDate(0, 0, 1) {
		if !s.on(day) {
			continue
		}
		for hour := range 24 {
			for minute := range 60 {
				at := day.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
				if s.hours&(1<<hour) != 0 && s.minutes&(1<<minute) != 0 && !at.Before(wall) {
					return at
				}
			}
		}
	}
	return time.Time{}
}

// on reports whether s is due on a day.
func (s *times) on(day time.Time) bool {
	if s.months&(1<<int(day.Month())) == 0 {
		return false
	}
	of, weekday := s.days&(1<<day.Day()) != 0, s.weekdays&(1<<int(day.Weekday())) != 0
	if s.both {
		return of && weekday
	}
	return of || weekday
}
