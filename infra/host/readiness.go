package host

import (
	"context"
	"sync"

	"go.uber.org/zap"
)

// readiness is what /readyz is told: whether all that the service needs is fit for requests.
type readiness struct {
	logger *zap.Logger
	// checks are asked in this order; the first that fails is why the service is not ready.
	checks []func(context.Context) error

	mu sync.Mutex
	// told says that the service was logged as not ready.
	told bool
}

// check asks all, and logs when the service stops being ready, and when it is so again.
func (r *readiness) check(ctx context.Context) error {
	var err error
	for _, check := range r.checks {
		if err = check(ctx); err != nil {
			break
		}
	}
	if ctx.Err() == nil { // else the caller has given up, which says nothing of the service
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
