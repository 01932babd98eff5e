package eventbus

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // for schedules in a time zone, on machines without the files

	"github.com/robfig/cron/v3"
)

// parseSchedule reads the spec of a schedule, as app.Boot.Schedule describes it. The grammar is that of robfig/cron; what
// it panics at or leaves undone is refused here.
func parseSchedule(spec string) (cron.Schedule, error) {
	if strings.HasPrefix(spec, "TZ=") || strings.HasPrefix(spec, "CRON_TZ=") {
		zone, rest, _ := strings.Cut(spec, " ")
		if _, name, _ := strings.Cut(zone, "="); name == "" || name == "Local" {
			return nil, errors.New("the time zone has no name, such as Europe/Berlin")
		}
		if strings.HasPrefix(strings.TrimSpace(rest), "@every") {
			return nil, errors.New("an interval has no time zone")
		}
		if strings.TrimSpace(rest) == "" {
			return nil, errors.New("there is nothing after the time zone")
		}
	}
	if text, ok := strings.CutPrefix(spec, "@every"); ok {
		d, err := time.ParseDuration(strings.TrimSpace(text))
		if err == nil && (d < time.Second || d%time.Second != 0) {
			return nil, fmt.Errorf("the interval %s is not one of whole seconds", d)
		}
	}
	times, err := cron.ParseStandard(spec)
	if err != nil {
		return nil, err
	}
	if times.Next(time.Now().UTC()).IsZero() {
		return nil, errors.New("it never comes")
	}
	return times, nil
}
