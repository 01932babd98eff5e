package app

import (
	"context"
	"time"

	"go.uber.org/fx"
)

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

// Loop has run called when the service starts and keeps it running until the service stops: a consumer of somebody else's
// queue, a connection that is held open, a poll of a feed. For example:
//
//	b.Loop("poll", p.Execute)
//
// Run is called in a goroutine of its own, in every process of the service: for work that is done once for all of them, use
// [Boot.Schedule]. It begins after migrations, start hooks, work pool and event bus, and before requests are served. Its
// context ends when the service stops, after the last request and before the event bus is drained, so that run may publish
// until its end. All loops are told at once, and run must return within APP_LIFECYCLE_STOP_TIMEOUT; otherwise it is
// abandoned, and the error of the stop names it. What it returns then does not matter, if it is nil or the context's error.
//
// When run returns an error, panics or ends its goroutine, that is logged and counted, and run is called again after a wait,
// which doubles with each failure from a second to a minute; half of it is random. It is a second again after run has gone
// well for a minute. When run returns nil before the stop, the loop is over: that is logged, and run is not called again.
//
// The context has the plugin's name and a request id of this call of run, which [Logger] adds to the log and [Bus] to
// events. There is no span around run, since it would end with the service. What run takes with [Reserve] is given back
// when it returns. Commands run no loops; package apptest does, as the service would.
//
// The name says in a word or a few what the loop does, for logs and metrics. A name that is empty or used twice in
// the plugin, and a run that is nil, are start errors.
func (b *Boot) Loop(name string, run func(ctx context.Context) error) {
	b.loops = append(b.loops, LoopInfo{Plugin: b.plugin, Source: caller(1), Name: name, Run: run})
}

// Loop has a method of something that Fx provides run as [Boot.Loop] describes, for what belongs to no plugin: a server or a
// client of the service's own infra. It stands in main.go's list or in a domain:
//
//	app.Loop("listen for mail", (*smtp.Server).Run)
//
// The name is one that no other loop of that kind has. Context and logger name no plugin.
func Loop[T any](name string, run func(t T, ctx context.Context) error) fx.Option {
	info := LoopInfo{Source: caller(1), Name: name}
	return fx.Invoke(func(t T, r *Registrar) {
		bound := info
		if run != nil {
			bound.Run = func(ctx context.Context) error { return run(t, ctx) }
		}
		r.loops = append(r.loops, bound)
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
