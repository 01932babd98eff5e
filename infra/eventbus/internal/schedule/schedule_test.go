package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dueBetween lists the times of a spec after from, up to to.
func dueBetween(t *testing.T, spec string, from, to time.Time) (all []time.Time) {
	t.Helper()
	s, err := Parse(spec)
	require.NoError(t, err)
	for at := s.Next(from); !at.IsZero() && !at.After(to); at = s.Next(at) {
		if len(all) > 0 {
			require.True(t, at.After(all[len(all)-1]), "%s after %s", at, all[len(all)-1])
		}
		all = append(all, at)
	}
	return all
}

// A daily job was due twice on the day on which the clocks go back. It was not due at all on a day on which the clocks skip its time or
// midnight.
func TestTimesWhenClocksChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, day, spec, want string }{
		{"Europe/Berlin", "2026-10-25", "30 2 * * *", "02:30+02:00"},
		{"Europe/Berlin", "2026-10-25", "30 2,3 * * *", "02:30+02:00 03:30+01:00"},
		{"Europe/Berlin", "2026-10-25", "30 1-3 * * *", "01:30+02:00 02:30+02:00 03:30+01:00"},
		{"Europe/Berlin", "2026-10-25", "*/30 2 * * *", "02:00+02:00 02:30+02:00 02:00+01:00 02:30+01:00"},
		{"Europe/Berlin", "2026-10-25", "30 */2 * * *", "00:30+02:00 02:30+02:00 02:30+01:00 04:30+01:00"},
		{"Europe/Berlin", "2026-03-29", "30 2 * * *", "03:00+02:00"},
		{"Europe/Berlin", "2026-03-29", "0,30 2-3 * * *", "03:00+02:00 03:30+02:00"},
		{"Europe/Berlin", "2026-03-29", "*/30 2-3 * * *", "03:00+02:00 03:30+02:00"},
		{"Europe/Berlin", "2026-03-29", "*/30 2 * * *", ""},
		{"Europe/Berlin", "2026-03-29", "0 2 * * 7", "03:00+02:00"},
		{"Europe/Berlin", "2026-03-30", "0 2 * * 7", ""},
		{"America/New_York", "2026-11-01", "30 1 * * *", "01:30-04:00"},
		{"America/New_York", "2026-03-08", "30 2 * * *", "03:00-04:00"},
		{"America/Santiago", "2026-09-06", "@daily", "01:00-03:00"}, // its midnight does not exist
		{"America/Santiago", "2026-04-04", "30 23 * * *", "23:30-03:00"},
		{"Asia/Beirut", "2026-03-29", "0 0 * * *", "01:00+03:00"},
		{"Africa/Cairo", "2026-04-24", "15 0 * * *", "01:00+03:00"},
		{"Australia/Lord_Howe", "2026-10-04", "10 2 * * *", "02:30+11:00"}, // half an hour
		{"Australia/Lord_Howe", "2026-04-05", "45 1 * * *", "01:45+11:00"},
		{"Pacific/Apia", "2011-12-30", "0 3 * * *", ""}, // a day that was left out, a correction of the zone
		{"Asia/Kolkata", "2026-06-01", "30 5 1 6 *", "05:30+05:30"},
	} {
		zone, err := time.LoadLocation(c.zone)
		require.NoError(t, err)
		var year, month, day int
		_, err = fmt.Sscanf(c.day, "%d-%d-%d", &year, &month, &day)
		require.NoError(t, err)
		noon := time.Date(year, time.Month(month), day, 12, 0, 0, 0, zone)
		var got []string
		for _, at := range dueBetween(t, "CRON_TZ="+c.zone+" "+c.spec, noon.Add(-40*time.Hour), noon.Add(40*time.Hour)) {
			require.Equal(t, time.UTC, at.Location())
			if local := at.In(zone); local.Format(time.DateOnly) == c.day {
				got = append(got, local.Format("15:04-07:00"))
			}
		}
		if strings.Contains(c.spec, "*/2 ") {
			got = got[:min(4, len(got))]
		}
		require.Equal(t, c.want, strings.Join(got, " "), "%s %s %s", c.zone, c.day, c.spec)
	}
}

// oracle wakes up each minute from one time to another and runs a job as cron(8) does, by the time that the clock shows. When the clock
// shows a time again, the job does not run again. When the clock has skipped a time, the job runs right afterwards.
func oracle(s *times, from, to time.Time) (due []time.Time) {
	last := wallOf(from.In(s.zone)) // the latest that the clock has shown
	matches := func(wall time.Time) bool {
		return s.on(wall) && s.hours&(1<<wall.Hour()) != 0 && s.minutes&(1<<wall.Minute()) != 0
	}
	for at := from.Add(time.Minute); !at.After(to); at = at.Add(time.Minute) {
		wall := wallOf(at.In(s.zone))
		run := s.starred && matches(wall)
		if !s.starred && wall.Sub(last) <= longestChange+time.Minute {
			for passed := last.Add(time.Minute); !passed.After(wall); passed = passed.Add(time.Minute) {
				run = run || matches(passed)
			}
		}
		if !s.starred && wall.Sub(last) > longestChange+time.Minute {
			run = matches(wall)
		}
		if run {
			due = append(due, at)
		}
		if wall.After(last) {
			last = wall
		}
	}
	return due
}

// TestTimesAreThoseOfCron compares random specs with a cron that wakes up each minute, around the changes of the clocks of
// several years.
func TestTimesAreThoseOfCron(t *testing.T) {
	t.Parallel()
	zones := []string{
		"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Santiago", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Africa/Cairo",
		"Africa/Casablanca", "Asia/Tehran", "Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Auckland", "Pacific/Apia", "America/St_Johns", "Atlantic/Azores", "Antarctica/Troll",
	}
	for _, name := range zones {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(name)
			require.NoError(t, err)
			rng := rand.New(rand.NewPCG(7, uint64(len(name))))
			at := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
			for year := at.Year(); at.Year() < 2031; {
				_, change := at.In(zone).ZoneBounds()
				if change.IsZero() || change.Year() > 2030 {
					change = at.AddDate(0, 0, 200)
				}
				for range 3 {
					spec := randomSpec(rng, change.In(zone))
					s, err := parseTimes(spec)
					require.NoError(t, err, spec)
					s.zone = zone
					from, to := change.Add(-27*time.Hour).Truncate(time.Minute), change.Add(27*time.Hour)
					want, got := oracle(s, from, to), []time.Time(nil)
					for next := s.Next(from); !next.IsZero() && !next.After(to); next = s.Next(next) {
						got = append(got, next)
					}
					require.True(t, slices.EqualFunc(want, got, time.Time.Equal), "%s around %s: %v, want %v", spec, change, got, want)
				}
				at = change.Add(time.Hour)
				require.GreaterOrEqual(t, at.Year(), year)
			}
		})
	}
}

// randomSpec makes a spec that is likely to be due near a time.
func randomSpec(rng *rand.Rand, near time.Time) string {
	minute := []string{"0", "30", "*", "*/20", "15,45", "0-10/5", fmt.Sprint(rng.IntN(60))}
	hour := []string{"0", "1", "2", "3", "23", "*", "*/3", "0-4", "1,2,3", "22-23", fmt.Sprint(near.Hour()), fmt.Sprint(rng.IntN(24))}
	day := []string{"*", "*", "*", fmt.Sprint(near.Day()), "*/2", "1-15"}
	month := []string{"*", "*", fmt.Sprint(int(near.Month())), "jan-jun"}
	weekday := []string{"*", "*", "7", "0", "sat,sun", "5-7", "MON-FRI", "?"}
	pick := func(of []string) string { return of[rng.IntN(len(of))] }
	return strings.Join([]string{pick(minute), pick(hour), pick(day), pick(month), pick(weekday)}, " ")
}

// The author of a plugin reads the errors of Parse. They are in plain words and name the field.
func TestSpecs(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"0 3 * * 7": "", "0 3 * * 5-7": "", "0 3 * * sat,SUN": "", "0 3 ? * ?": "", "  0 3 1-5,9/2 jan-mar *  ": "", "@every 90s": "",
		"TZ=UTC @daily":           "",
		"0 3 * *":                 "expected exactly 5 fields, found 4: minute, hour, day, month and weekday",
		"":                        "empty spec: it has five fields, minute, hour, day, month and weekday",
		"60 3 * * *":              "minute 60 is above maximum (59)",
		"0 3 0 * *":               "day 0 is below minimum (1)",
		"0 3 * * 8":               "weekday 8 is above maximum (7)",
		"0 3 * * funday":          `weekday "funday" is no number`,
		"0 3 * 5- *":              `month "" is no number`,
		"0 3-1 * * *":             `hour "3-1": the range ends before it begins`,
		"*/0 3 * * *":             `minute "*/0": the step after / is not a number of at least 1`,
		"*-5 3 * * *":             `minute "*-5" is neither a number nor a range, such as 1-5`,
		"-1 3 * * *":              `minute "" is no number`,
		"@sometimes":              "there is no @sometimes; there are @hourly, @daily, @weekly, @monthly, @yearly and @every",
		"@every soon":             `"soon" is no interval, such as 90s or 1h30m`,
		"@every 1500ms":           "the interval 1.5s is not one of whole seconds",
		"CRON_TZ=Mars/X @daily":   `there is no time zone "Mars/X"; names are like Europe/Berlin`,
		"CRON_TZ=../etc/x @daily": `there is no time zone "../etc/x"; names are like Europe/Berlin`,
		"0 0 30 2 *":              "it never comes",
	} {
		_, err := Parse(spec)
		if want == "" {
			require.NoError(t, err, spec)
			continue
		}
		require.EqualError(t, err, want, spec)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	leap := dueBetween(t, "0 0 29 2 *", at, at.AddDate(20, 0, 0))
	require.Len(t, leap, 5)
	sundays := dueBetween(t, "0 0 * * 7", at, at.AddDate(0, 0, 28))
	require.Equal(t, sundays, dueBetween(t, "0 0 * * 0", at, at.AddDate(0, 0, 28)))
	require.Equal(t, time.Sunday, sundays[0].Weekday())
}
