package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/domains/audit"
	"plugboard/domains/media"
	"plugboard/domains/notifications"
	"plugboard/domains/products"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/host/cli"
	"plugboard/infra/httpserver"
	"plugboard/infra/logging"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

// serveNaive runs the service with its CPU-bound work straight on the request goroutines, as somebody would write it who
// has no work pool. It is put together of the same modules, with another app.Pool in the place of the work pool's.
func serveNaive() error {
	pool := &straightPool{procs: runtime.GOMAXPROCS(0)}
	modules := fx.Options(
		logging.Module, telemetry.Module, database.Module, workpool.Module, eventbus.Module, httpserver.Module,
		products.Module, notifications.Module, audit.Module, media.Module,
		fx.Decorate(func(app.Pool) app.Pool { return pool }),
	)
	code := cli.Run(context.Background(), []string{"serve"}, os.Environ(), os.Stdout, os.Stderr, modules)
	if code != cli.ExitClean {
		return fmt.Errorf("serve without the work pool: exit code %d", code)
	}
	return nil
}

// straightPool runs work where it is submitted.
type straightPool struct {
	procs int // GOMAXPROCS before the work pool, which starts here too and gets nothing to do, raised it
	lower sync.Once
}

// Run implements app.Pool.
func (p *straightPool) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {
	p.lower.Do(func() { runtime.GOMAXPROCS(p.procs) })
	return work(straightJob{ctx.Done()})
}

// straightJob is a job that nobody watches over.
type straightJob struct{ done <-chan struct{} }

// Done implements app.Job.
func (j straightJob) Done() <-chan struct{} { return j.done }

// SetStatus implements app.Job.
func (straightJob) SetStatus(int) {}

// Reserve implements app.Job.
func (straightJob) Reserve(int64) error { return nil }

// Logger implements app.Job.
func (straightJob) Logger() *zap.Logger { return zap.NewNop() }
