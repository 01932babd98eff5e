package schedule

import "time"

// times are those that the five fields of a spec name, in a time zone. Where the zone's clocks change they are those of
// cron(8):
//
//   - A schedule whose minutes and hours are both given, as in "30 2 * * *", is due once for each of them on each day. In an hour
//     that clocks repeat it is due the first time; a time that clocks skip is due at the moment of the change. A change of more
//     than three hours is a correction: what it skips is not due.
//   - One with a star for its minutes or hours, as in "*/20 * * * *", is due whenever the clock shows such a time: also in the
//     repeated hour, and not in the skipped one.
type times struct {
	// minutes and so on are sets of values: bit n tells that n is one of them.
	minutes, hours, days, months, weekdays uint64
	// both tells that day and weekday must be right, since one of them has a star; else one of them must be.
	both bool
	// wild tells that minutes or hours have a star.
	wild bool
	zone *time.Location
}

// correction is the longest change of clocks that is not one.
const correction = 3 * time.Hour

// Next implements Timetable.
func (s *times) Next(t time.Time) time.Time {
	if s.wild {
		return s.nextShown(t)
	}
	for wall := s.nextWall(wallOf(t.In(s.zone))); !wall.IsZero(); wall = s.nextWall(wall) {
		if at, ok := s.moment(wall); ok && at.After(t) {
			return at.UTC()
		}
	}
	return time.Time{}
}

// nextShown returns the first time after t at which the clock shows a time of s. Between two changes of the clock it runs
// evenly.
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

// moment returns when the clock of the zone shows wall for the first time, or when it skips it. It reports false when a
// correction of the clock skips it.
func (s *times) moment(wall time.Time) (at time.Time, ok bool) {
	const day = 24 * time.Hour // more than any offset
	for t := wall.Add(-day).In(s.zone); ; {
		start, end := t.ZoneBounds()
		_, offset := t.Zone()
		at = wall.Add(-time.Duration(offset) * time.Second)
		switch {
		case !end.IsZero() && !at.Before(end):
			t = end
		case !start.IsZero() && at.Before(start): // neither before the change nor after it
			_, before := start.Add(-time.Nanosecond).Zone()
			return start, time.Duration(offset-before)*time.Second <= correction
		default:
			return at, true
		}
	}
}

// yearsAhead is for how long a time is looked for: 29 February on a given weekday comes every 28 years, or 40 around 2100.
const yearsAhead = 40

// nextWall returns the first time of s after wall, as clocks without changes show it, or the zero time.
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

// on reports whether a day is one of s.
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
