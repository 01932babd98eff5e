package app

import "time"

// Due is what the handler of a schedule gets.
type Due struct {
	// At is the time at which the run was due, in UTC. When no process ran at that time, or the database was away, one
	// run makes up for all the times that were missed; At is the first of them.
	At time.Time `json:"at"`
}

// Topic implements [Event]. Each schedule has a topic of its own; this one stands for all of them.
func (Due) Topic() string { return "_due" }

// Schedule has s, made of a handler that takes a [Due], run at the times that spec gives. For example, every night:
//
//	b.Schedule("30 3 * * *", app.On(p.Execute))
//
// The spec has the five fields of cron: minute, hour, day, month, weekday. They are in UTC, or in the time
// zone that the spec begins with, as in "CRON_TZ=Europe/Berlin 30 3 * * *"; Sunday is 0 and 7. When clocks change, a time of
// day is due once on each day, as with cron: the first time when the hour is repeated, at the moment of the change when it
// is skipped; a spec with a star for minutes or hours goes by what the clock shows. "@hourly", "@daily", "@weekly" and "@monthly" are short for such; "@every 90s" is an interval, of
// whole seconds. A spec that cannot be read, or that never comes, is a start error.
//
// Each time is due once, however many processes there are, and is handled like an event: by any one of them, at least
// once, tried again when it fails, and kept as dead when it failed for good. So [OnTx], [Complete] and the options of
// subscriptions mean what they mean there; [Block] means nothing without a key, and is a start error. While a run is not
// done, attempts included, the times that come are left out, so that a schedule is never run beside itself or behind
// its own backlog; they are counted. With [Volatile] every process runs it by itself, without the database, and nothing
// is made up for.
//
// The schedule is known by the name "<plugin>/schedule" unless [Named] gives another.
func (b *Boot) Schedule(spec string, s Subscriber, opts ...SubscribeOption) {
	b.schedules = append(b.schedules, Schedule{
		Plugin: b.plugin, Source: caller(1), Spec: spec, Subscriber: s, Options: collect(opts, SubscribeOption.applySubscribe),
	})
}

// Clock tells the time. A plugin whose rules depend on the time of day takes one from Fx instead of calling
// time.Now, so that a test decides what time it is. It is safe for concurrent use.
type Clock interface {
	// Now returns the time, in UTC. The running service's clock tells whole microseconds, which both databases store as they are.
	Now() time.Time
}

// SystemClock is the [Clock] that plugins get in the running service.
type SystemClock struct{}

// Now implements [Clock].
func (SystemClock) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
