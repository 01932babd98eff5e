// Package schedule publishes an event at each time that the spec of a schedule names.
//
// [Parse] turns a spec into a [Timetable]. A spec is "@every" with an interval of whole seconds, or the five fields of cron(8),
// with a time zone in front of them if it is not UTC. When the clocks of the zone change, the times follow cron(8). Authors of
// plugins read the errors of Parse. A Timetable never changes, so any number of goroutines may call it at once.
//
// The front of the event bus starts and stops one [Scheduler], and gives it the functions that make and publish events. When several
// processes share a database, only the first process that advances the row of a durable schedule publishes.
//
// The package does not use github.com/robfig/cron/v3. That parser refuses weekday 7 and rounds intervals instead of refusing them,
// and its times leave out a daily time that the clocks skip, and repeat a daily time when the clocks go back.
package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // for schedules in a time zone, on machines without the files
)

// Timetable holds the times at which a schedule is due.
type Timetable interface {
	// Next returns the first time after t, in UTC, or the zero time when there is none.
	Next(t time.Time) time.Time
}

// Parse reads the spec of a schedule, as app.Boot.Schedule describes it. It refuses a spec that is never due.
func Parse(spec string) (Timetable, error) {
	zone, rest, err := cutZone(spec)
	if err != nil {
		return nil, err
	}
	if text, ok := strings.CutPrefix(rest, "@every"); ok {
		if zone != nil {
			return nil, errors.New("an interval has no time zone")
		}
		return parseInterval(strings.TrimSpace(text))
	}
	times, err := parseTimes(rest)
	if err != nil {
		return nil, err
	}
	if times.zone = zone; zone == nil {
		times.zone = time.UTC
	}
	if times.Next(time.Now()).IsZero() {
		return nil, errors.New("it never comes")
	}
	return times, nil
}

// cutZone takes the time zone from the beginning of a spec; nil if there is none.
func cutZone(spec string) (*time.Location, string, error) {
	spec = strings.TrimSpace(spec)
	if !strings.HasPrefix(spec, "TZ=") && !strings.HasPrefix(spec, "CRON_TZ=") {
		return nil, spec, nil
	}
	text, rest, _ := strings.Cut(spec, " ")
	_, name, _ := strings.Cut(text, "=")
	if name == "" || name == "Local" {
		return nil, "", errors.New("the time zone has no name, such as Europe/Berlin")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, "", fmt.Errorf("there is no time zone %q; names are like Europe/Berlin", name)
	}
	if rest = strings.TrimSpace(rest); rest == "" {
		return nil, "", errors.New("there is nothing after the time zone")
	}
	return zone, rest, nil
}

// interval is due whenever it has passed once more, on whole seconds.
type interval time.Duration

// Next implements Timetable.
func (i interval) Next(t time.Time) time.Time {
	return t.UTC().Truncate(time.Second).Add(time.Duration(i))
}

func parseInterval(text string) (Timetable, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no interval, such as 90s or 1h30m", text)
	}
	if d < time.Second || d%time.Second != 0 {
		return nil, fmt.Errorf("the interval %s is not one of whole seconds", d)
	}
	return interval(d), nil
}

// cronField is one of the five fields of a spec.
type cronField struct {
	name     string
	min, max int
	// names are words for values: the first word is for the value first.
	names string
	first int
}

//nolint:gochecknoglobals // a constant
var cronFields = [5]cronField{
	{name: "minute", max: 59},
	{name: "hour", max: 23},
	{name: "day", min: 1, max: 31},
	{name: "month", min: 1, max: 12, names: "jan feb mar apr may jun jul aug sep oct nov dec", first: 1},
	{name: "weekday", max: 7, names: "sun mon tue wed thu fri sat"},
}

// shorthands are words that stand for five fields.
//
//nolint:gochecknoglobals // a constant
var shorthands = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// parseTimes reads five fields, or a shorthand for them. The zone of the times is not set.
func parseTimes(spec string) (*times, error) {
	if strings.HasPrefix(spec, "@") {
		long, ok := shorthands[spec]
		if !ok {
			return nil, fmt.Errorf("there is no %s; there are @hourly, @daily, @weekly, @monthly, @yearly and @every", spec)
		}
		spec = long
	}
	texts := strings.Fields(spec)
	switch len(texts) {
	case 0:
		return nil, errors.New("empty spec: it has five fields, minute, hour, day, month and weekday")
	case len(cronFields):
	default:
		return nil, fmt.Errorf("expected exactly 5 fields, found %d: minute, hour, day, month and weekday", len(texts))
	}
	var sets [len(cronFields)]uint64
	var stars [len(cronFields)]bool
	for i, text := range texts {
		var err error
		if sets[i], err = cronFields[i].parse(text); err != nil {
			return nil, err
		}
		stars[i] = strings.HasPrefix(text, "*") || strings.HasPrefix(text, "?")
	}
	if sets[4]&(1<<7) != 0 { // Sunday is 0 and 7
		sets[4] |= 1
	}
	return &times{
		minutes: sets[0], hours: sets[1], days: sets[2], months: sets[3], weekdays: sets[4],
		both: stars[2] || stars[4], starred: stars[0] || stars[1],
	}, nil
}

// parse returns the values that text names: ranges with steps, separated by commas.
func (f cronField) parse(text string) (set uint64, err error) {
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		low, high, err := f.span(part, span, stepped)
		if err != nil {
			return 0, err
		}
		step := 1
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
				return 0, fmt.Errorf("%s %q: the step after / is not a number of at least 1", f.name, part)
			}
		}
		if low > high {
			return 0, fmt.Errorf("%s %q: the range ends before it begins", f.name, part)
		}
		for v := low; v <= high; v += step {
			set |= 1 << v
		}
	}
	return set, nil
}

// span returns the ends of the range that text names. A single value with a step stands for all from there to the maximum.
func (f cronField) span(part, text string, stepped bool) (low, high int, err error) {
	lowText, highText, ranged := strings.Cut(text, "-")
	if lowText == "*" || lowText == "?" {
		if ranged {
			return 0, 0, fmt.Errorf("%s %q is neither a number nor a range, such as 1-5", f.name, part)
		}
		return f.min, f.max, nil
	}
	if low, err = f.value(lowText); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		high, err = f.value(highText)
	case stepped:
		high = f.max
	default:
		high = low
	}
	return low, high, err
}

func (f cronField) value(text string) (int, error) {
	for i, name := range strings.Fields(f.names) {
		if strings.EqualFold(text, name) {
			return f.first + i, nil
		}
	}
	v, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s %q is no number", f.name, text)
	case v < f.min:
		return 0, fmt.Errorf("%s %d is below minimum (%d)", f.name, v, f.min)
	case v > f.max:
		return 0, fmt.Errorf("%s %d is above maximum (%d)", f.name, v, f.max)
	}
	return v, nil
}
