package application

import (
	"context"
	"sync"

	"go.uber.org/zap"
)

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
