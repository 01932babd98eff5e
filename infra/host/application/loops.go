package application

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/internal/retry"
)

// A loop that failed is started again after about firstWait, which doubles with each failure up to longestWait. It is
// firstWait again after a run of wellAfter.
const (
	firstWait   = time.Second
	longestWait = time.Minute
	wellAfter   = time.Minute
)

// Loops returns the loops of the plugins and of the service, in the order of their registration.
func (a *App) Loops() []app.LoopInfo {
	var all []app.LoopInfo
	for _, p := range a.booted {
		all = append(all, p.Boot.Loops()...)
	}
	if a.registrar != nil {
		all = append(all, a.registrar.Loops()...)
	}
	return all
}

func checkLoops(all []app.LoopInfo) []error {
	var problems []error
	first := map[string]app.LoopInfo{}
	for _, l := range all {
		if l.Name == "" {
			problems = append(problems, fmt.Errorf("%s: a loop has no name; say in a word what it does", ownerOf(l)))
		}
		if l.Run == nil {
			problems = append(problems, fmt.Errorf("%s: the loop %q has no function", ownerOf(l), l.Name))
		}
		if before, taken := first[l.ID()]; taken && l.Name != "" {
			problems = append(problems, fmt.Errorf("%s: the loop %q is there already (%s); give it a name of its own", ownerOf(l), l.Name, before.Source))
			continue
		}
		first[l.ID()] = l
	}
	return problems
}

// ownerOf says who registered l, and where.
func ownerOf(l app.LoopInfo) string {
	if l.Plugin.Name == "" {
		return "app.Loop (" + l.Source + ")"
	}
	return fmt.Sprintf("plugin %s (%s)", l.Plugin.Name, l.Source)
}

// loops runs all loops.
type loops struct {
	all      []app.LoopInfo
	memory   app.Memory            // nil sets no limit
	registry prometheus.Registerer // nil for no metrics
	log      *zap.Logger

	metrics []prometheus.Collector
	cancel  context.CancelFunc
	running []*loop
}

// start starts every loop in a goroutine of its own.
func (l *loops) start(context.Context) error {
	running := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "plugboard_loops_running", Help: "1 while the loop runs; 0 while it waits to be started again, and when it has ended.",
	}, []string{"loop"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "plugboard_loop_failures_total", Help: "Runs of loops that ended with an error or a panic.",
	}, []string{"loop"})
	if l.registry != nil {
		if err := errors.Join(l.registry.Register(running), l.registry.Register(failures)); err != nil {
			return fmt.Errorf("register metrics of loops: %w", err)
		}
		l.metrics = []prometheus.Collector{running, failures}
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	for _, info := range l.all {
		one := &loop{
			LoopInfo: info, memory: l.memory, ended: make(chan struct{}),
			running: running.WithLabelValues(info.ID()), failures: failures.WithLabelValues(info.ID()),
			log: l.log.With(zap.String("loop", info.ID())),
		}
		l.running = append(l.running, one)
		go one.keep(ctx)
	}
	return nil
}

// stop tells all loops to end and waits for them until ctx ends. The error names those that go on.
func (l *loops) stop(ctx context.Context) error {
	l.cancel()
	var problems []error
	for _, one := range l.running {
		select {
		case <-one.ended:
			continue
		default:
		}
		select {
		case <-one.ended:
		case <-ctx.Done():
			problems = append(problems, fmt.Errorf("the loop %q of %s did not return, and was %w", one.Name, FromRoot(ownerOf(one.LoopInfo)), ErrAbandoned))
		}
	}
	for _, m := range l.metrics {
		l.registry.Unregister(m)
	}
	return errors.Join(problems...)
}

// loop is one loop while the application runs.
type loop struct {
	app.LoopInfo

	memory   app.Memory
	log      *zap.Logger
	running  prometheus.Gauge
	failures prometheus.Counter
	ended    chan struct{} // closed when run will not be called again
}

// keep runs the loop again and again, until it returns nil or ctx ends.
func (l *loop) keep(ctx context.Context) {
	defer close(l.ended)
	for failed := 1; ; failed++ {
		begin := time.Now()
		requestID, err := l.run(ctx)
		if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
			return
		}
		if err == nil {
			l.log.Info("a background loop has ended, and is not started again")
			return
		}
		if time.Since(begin) >= wellAfter {
			failed = 1
		}
		wait := retry.Backoff(failed, firstWait, longestWait)
		l.fail(ctx, requestID, err, wait)
		if !app.Sleep(ctx, wait) {
			return
		}
	}
}

// run runs the loop once, in a goroutine of its own, since the loop may end its goroutine.
func (l *loop) run(ctx context.Context) (requestID string, err error) {
	call := &app.Call{Plugin: l.Plugin.Name, RequestID: uuid.Must(uuid.NewV7()).String(), Memory: l.memory}
	defer call.End()
	l.running.Set(1)
	defer l.running.Set(0)
	done := make(chan error, 1)
	go protect(app.WithCall(ctx, call), l.Run, done)
	return call.RequestID, <-done
}

func (l *loop) fail(ctx context.Context, requestID string, err error, wait time.Duration) {
	l.failures.Inc()
	fields := []zap.Field{zap.String("request_id", requestID), zap.Error(err)}
	if p, ok := errors.AsType[*app.PanicError](err); ok {
		fields = append(fields, zap.ByteString("stack", p.Stack))
	}
	if ctx.Err() != nil {
		l.log.Error("a background loop failed while it was stopped", fields...)
		return
	}
	l.log.Error("a background loop failed, and is started again", append(fields, zap.Duration("in", wait))...)
}
