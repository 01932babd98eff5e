package application

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/database"
)

// phase is one part of the start, with its counterpart of the stop. Either function may be nil.
type phase struct {
	// name follows "start: ", stopName follows "stop: ".
	name        string
	start       func(context.Context) error
	startBudget time.Duration
	stopName    string
	stop        func(context.Context) error
	stopBudget  time.Duration
	// own marks the parts of the host. They are stopped even when their start failed half-way.
	own bool
}

// phases returns the phases in the order of the start. The stop goes through them in reverse.
func (a *App) phases() []phase {
	all := []phase{a.opening(), a.migrating()}
	if !a.commanded {
		all = append([]phase{a.listening()}, all...)
	}
	for _, h := range a.hooks.close() {
		all = append(all, a.hookPhase(h))
	}
	for _, p := range a.booted {
		if s, ok := p.Instance.(app.Shutdowner); ok {
			all = append(all, a.shutdownPhase(p.Boot.Plugin(), s))
		}
	}
	if a.commanded {
		return append(all, a.pooling(), a.publishing())
	}
	return append(all, a.pooling(), a.delivering(), a.looping(), a.serving(), a.ready())
}

func (a *App) listening() phase {
	return phase{
		name: "bind the port", startBudget: a.cfg.Lifecycle.HookTimeout,
		start: func(ctx context.Context) error {
			if a.cfg.App.Env == "production" && a.parts.Server.AnswersAnyHost() {
				a.parts.Logger.Warn("the service answers for every host name; set APP_HTTP_HOSTS to the names its clients use")
			}
			a.leaveDescriptors()
			return a.parts.Server.Listen(ctx)
		},
		stopName: "close the port", stopBudget: a.cfg.Lifecycle.StopTimeout,
		stop: func(context.Context) error { return a.parts.Server.Close() },
		own:  true,
	}
}

func (a *App) opening() phase {
	return phase{
		name: "open the database", startBudget: a.cfg.Database.OpenTimeout + a.cfg.Lifecycle.HookTimeout, start: a.parts.DB.Open,
		stopName: "close the database", stopBudget: a.cfg.Lifecycle.StopTimeout, stop: a.parts.DB.Close,
		own: true,
	}
}

func (a *App) migrating() phase {
	run, name := (*database.DB).CheckMigrated, "check the migrations"
	if a.cfg.Database.Migrate {
		run, name = (*database.DB).Migrate, "run the migrations"
	}
	return phase{
		name: name, startBudget: a.cfg.Lifecycle.MigrationTimeout,
		start: func(ctx context.Context) error { return run(a.parts.DB, ctx, a.Migrations()) },
	}
}

func (a *App) hookPhase(h hook) phase {
	return phase{
		name: "start " + h.name, startBudget: a.cfg.Lifecycle.HookTimeout, start: h.OnStart,
		stopName: "stop " + h.name, stopBudget: a.cfg.Lifecycle.StopTimeout, stop: h.OnStop,
	}
}

func (a *App) shutdownPhase(p app.PluginInfo, s app.Shutdowner) phase {
	return phase{
		stopName:   fmt.Sprintf("shut down plugin %s (%s)", p.Name, FromRoot(p.Source)),
		stopBudget: a.cfg.Lifecycle.StopTimeout, stop: s.Shutdown,
	}
}

func (a *App) pooling() phase {
	return phase{
		name: "start the work pool", startBudget: a.cfg.Lifecycle.HookTimeout, start: a.parts.Pool.Start,
		stopName: "drain the work pool", stopBudget: a.cfg.Lifecycle.PoolTimeout, stop: a.parts.Pool.Stop,
		own: true,
	}
}

func (a *App) delivering() phase {
	return phase{
		name: "start the event bus", startBudget: a.cfg.Lifecycle.HookTimeout, start: a.parts.Bus.Start,
		stopName: "drain the event bus", stopBudget: a.cfg.Lifecycle.EventsTimeout, stop: a.parts.Bus.Stop,
		own: true,
	}
}

// publishing is the phase of a command in the place of delivering.
func (a *App) publishing() phase {
	return phase{
		name: "open the event bus", startBudget: a.cfg.Lifecycle.HookTimeout, start: a.parts.Bus.Open,
		stopName: "close the event bus", stopBudget: a.cfg.Lifecycle.EventsTimeout, stop: a.parts.Bus.Stop,
		own: true,
	}
}

func (a *App) looping() phase {
	l := &loops{all: a.Loops(), memory: a.parts.Memory, log: a.parts.Logger, registry: a.parts.Registerer}
	return phase{
		name: "start the loops", startBudget: a.cfg.Lifecycle.HookTimeout, start: l.start,
		stopName: "stop the loops", stopBudget: a.cfg.Lifecycle.StopTimeout, stop: l.stop,
	}
}

func (a *App) serving() phase {
	return phase{
		name: "serve requests", startBudget: a.cfg.Lifecycle.HookTimeout,
		start: func(context.Context) error {
			a.parts.Server.Serve()
			a.background.Go(a.awaitServer)
			a.background.Go(a.keepAnswers)
			return nil
		},
		stopName: "drain requests", stopBudget: a.cfg.Lifecycle.DrainTimeout,
		stop: func(ctx context.Context) error {
			close(a.stopping)
			a.background.Wait()
			err := a.parts.Server.Shutdown(ctx)
			if err != nil { // requests that are still running see their context end while the database is open
				err = errors.Join(err, a.parts.Server.Close())
			}
			return err
		},
	}
}

// keepAnswers deletes old answers of app.Once until the application stops.
func (a *App) keepAnswers() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a.background.Go(func() {
		<-a.stopping
		cancel()
	})
	a.parts.DB.KeepAnswers(ctx, a.cfg.HTTP.IdempotencyKeep)
}

// awaitServer waits until the application stops. When the server fails before that, it asks for the end of the
// application.
func (a *App) awaitServer() {
	select {
	case err := <-a.parts.Server.Failed():
		a.parts.Logger.Error("the server cannot go on", zap.Error(err))
		a.failed.Store(true)
		a.askForEnd()
	case <-a.stopping:
	}
}

// ready is the last phase of the start. Its counterpart comes first in the stop: the service says for the drain delay
// that it is not ready, so that load balancers take it off their lists.
func (a *App) ready() phase {
	return phase{
		name: "become ready", startBudget: a.cfg.Lifecycle.HookTimeout,
		start: func(context.Context) error {
			r := &readiness{logger: a.parts.Logger, checks: []func(context.Context) error{a.parts.DB.Ready, a.claiming}}
			a.parts.Server.SetReady(r.check)
			return nil
		},
		stopName: "announce the stop", stopBudget: a.cfg.Lifecycle.DrainDelay + a.cfg.Lifecycle.StopTimeout,
		stop: func(ctx context.Context) error {
			a.parts.Server.Drain()
			app.Sleep(ctx, a.cfg.Lifecycle.DrainDelay) // cut short when the stop is hurried
			return nil
		},
	}
}

// claiming returns nil while the event bus claims events.
func (a *App) claiming(context.Context) error { return a.parts.Bus.Claiming() }

// readiness answers /readyz: it checks the parts that requests need.
type readiness struct {
	logger *zap.Logger
	// checks run in this order. The first error is the answer.
	checks []func(context.Context) error

	mu sync.Mutex
	// told is true after the service was logged as not ready.
	told bool
}

// check runs the checks. It logs when the service stops being ready, and when it is ready again.
func (r *readiness) check(ctx context.Context) error {
	var err error
	for _, check := range r.checks {
		if err = check(ctx); err != nil {
			break
		}
	}
	if ctx.Err() == nil { // otherwise the caller has given up, and the error is not the service's
		r.tell(err)
	}
	return err
}

func (r *readiness) tell(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil && r.told:
		r.told = false
		r.logger.Info("the service is ready again")
	case err != nil && !r.told:
		r.told = true
		r.logger.Error("the service is not ready: /readyz says so until this is mended", zap.Error(err))
	}
}

// ErrNotUndone marks the error of a failed start that left something behind.
var ErrNotUndone = errors.New("what was started could not be undone")

// onStart is the one OnStart hook of Fx. It mounts the endpoints and starts the phases.
func (a *App) onStart(ctx context.Context) error {
	ctx = callerOf(ctx)
	if err := a.mount(); err != nil {
		return err
	}
	for _, s := range a.phases() {
		if err := a.startPhase(ctx, s); err != nil {
			err = fmt.Errorf("%s: %w", s.name, err)
			if left := a.undo(context.WithoutCancel(ctx)); left != nil {
				err = errors.Join(err, fmt.Errorf("%w: %w", ErrNotUndone, left))
			}
			return err
		}
	}
	return nil
}

func (a *App) startPhase(ctx context.Context, s phase) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	var err error
	if s.start != nil {
		begin := time.Now()
		err = a.reportPanic(s.name, within(ctx, s.startBudget, s.start))
		a.parts.Logger.Debug(s.name, zap.Duration("took", time.Since(begin)), zap.Error(err))
	}
	if err == nil || s.own {
		a.started = append(a.started, s)
	}
	return err
}

// onStop is the one OnStop hook of Fx.
func (a *App) onStop(ctx context.Context) error { return a.undo(callerOf(ctx)) }

// undo stops the started phases in reverse. It goes on when one fails.
func (a *App) undo(ctx context.Context) error {
	var problems []error
	for _, s := range slices.Backward(a.started) {
		if s.stop == nil {
			continue
		}
		begin := time.Now()
		err := a.reportPanic(s.stopName, within(ctx, s.stopBudget, s.stop))
		a.parts.Logger.Debug(s.stopName, zap.Duration("took", time.Since(begin)), zap.Error(err))
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", s.stopName, err))
		}
	}
	a.started = nil
	_ = a.parts.Logger.Sync() // terminals and pipes do not support it, and there is nowhere to report to
	return errors.Join(problems...)
}

// reportPanic logs the stack of a panic, since the text of the error does not have it.
func (a *App) reportPanic(name string, err error) error {
	if p, ok := errors.AsType[*app.PanicError](err); ok {
		a.parts.Logger.Error(name+" panicked", zap.Any("panic", p.Value), zap.ByteString("stack", p.Stack))
	}
	return err
}

// grace is how long a function may go on after its context has ended.
const grace = time.Second

// ErrAbandoned marks work that did not return in time. Its goroutine is left behind.
var ErrAbandoned = errors.New("abandoned")

// within runs fn with a context that ends after budget, and returns its error. When fn goes on although its context has
// ended, within abandons it after a grace period. A panic or a runtime.Goexit of fn is returned as an error.
func within(ctx context.Context, budget time.Duration, fn func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	done := make(chan error, 1)
	go protect(limited, fn, done)
	select {
	case err := <-done:
		return inTime(ctx, limited, budget, err)
	case <-limited.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-done:
		return inTime(ctx, limited, budget, err)
	case <-timer.C:
		return overrun(ctx, budget)
	}
}

func overrun(ctx context.Context, budget time.Duration) error {
	if ctx.Err() != nil {
		return fmt.Errorf("did not return when it was told to stop, and was %w: %w", ErrAbandoned, context.Cause(ctx))
	}
	return fmt.Errorf("did not return within %s, and was %w", budget, ErrAbandoned)
}

// inTime adds to err that the budget was used up, if that is why fn failed.
func inTime(ctx, limited context.Context, budget time.Duration, err error) error {
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return fmt.Errorf("did not finish within %s: %w", budget, err)
	}
	return err
}

// protect sends the error of fn to done, however fn ends.
func protect(ctx context.Context, fn func(context.Context) error, done chan<- error) {
	err := errors.New("ended its goroutine instead of returning")
	defer func() { done <- err }()
	defer app.Recover(&err)
	err = fn(ctx)
}
