package schedule

import "time"

// times are the times that the five fields of a spec name, in a time zone. When the clocks of the zone change, the times follow
// cron(8):
//
//   - A schedule that gives both its minutes and its hours, as "30 2 * * *" does, is due once for each of these times on each
//     day. When the clocks repeat an hour, the schedule is due in the first of the two hours. When the clocks skip its time, it is
//     due at the moment of the change. But when the clocks change by more than three hours, somebody has corrected the zone, and the
//     schedule is not due for the skipped time.
//   - A schedule with a star for its minutes or its hours, as in "*/20 * * * *", is due whenever the clock shows such a time:
//     twice in a repeated hour, and never in a skipped one.
type times struct {
	// Each of these numbers is a set of values: bit n is set if the set has the value n.
	minutes, hours, days, months, weekdays uint64
	// both is true if the field of the days or the field of the weekdays is a star: then the schedule is due on a day that is in both
	// sets. Otherwise one of the sets is enough.
	both bool
	// starred is true if the field of the minutes or the field of the hours has a star.
	starred bool
	zone    *time.Location
}

// longestChange is the longest time that clocks may skip in a usual change; see [times].
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

// nextShown returns the first time after t at which the clock shows a time of s. It searches each period between two changes of the
// clock by itself, since within a period the clock runs evenly.
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
		after = wallOf(t).Add(-time.Nanosecond) // so that the search includes the moment of the change
	}
}

// wallOf returns the time that the clock shows at t, written as a time in UTC.
func wallOf(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// moment returns the moment at which the clock of the zone first shows wall. If the clock skips wall, it returns the moment of this
// change, and false if the change is longer than longestChange.
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

// yearsAhead is how many years the search for the next time goes ahead. The rarest day is a 29 February on a given weekday: it comes
// every 28 years, and around the year 2100 after 40 years.
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
