package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// within runs fn with a deadline.
func within(ctx context.Context, limit time.Duration, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return fn(ctx)
}

// finishEvents starts the service, waits until all events are handled, calls then if it is not nil, and stops the service.
func finishEvents(ctx context.Context, s *service, db *store, then func(context.Context, *process) error) error {
	var p *process
	err := within(ctx, startLimit, func(ctx context.Context) (err error) {
		p, err = s.serve(ctx)
		return err
	})
	if err != nil {
		return err
	}
	err = within(ctx, drainLimit, db.drained)
	if err == nil && then != nil {
		err = within(ctx, startLimit, func(ctx context.Context) error { return then(ctx, p) })
	}
	if err != nil {
		p.kill()
		return err
	}
	return within(ctx, stopLimit, p.stop)
}

// remedy has the poisoned subscriber work from now on.
func remedy(ctx context.Context, p *process) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/remedy", nil)
	if err != nil {
		return fmt.Errorf("apply remedy: %w", err)
	}
	answer, err := (&http.Client{}).Do(request)
	if err != nil {
		return fmt.Errorf("apply remedy: %w", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("apply remedy: %s", answer.Status)
	}
	return nil
}

// finishProbe lets the service handle all events, replays the dead deliveries, and judges. replay runs the service's
// command of that name.
func finishProbe(ctx context.Context, s *service, l *probeLedger, replay func(context.Context) error) (*report, error) {
	r := newReport()
	db, err := openStore(s.database)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	defer func() { _ = db.Close() }()
	begin := time.Now()
	if err := finishEvents(ctx, s, db, remedy); err != nil {
		r.violate(stuck, "%v", err)
	} else if err := within(ctx, startLimit, replay); err != nil {
		r.violate(unhealthy, "%v", err)
	} else if err := finishEvents(ctx, s, db, nil); err != nil {
		r.violate(stuck, "%v", err)
	}
	r.figure("time to drain, heal, replay, drain", time.Since(begin))
	tables, err := readProbe(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the tables: %w", err)
	}
	acked, undone := l.known()
	tables.judge(r, acked, undone)
	return r, r.checkIntegrity(ctx, db)
}

// replayed runs the service's command "replay".
func replayed(s *service) func(context.Context) error {
	return func(ctx context.Context) error { return s.run(ctx, "replay") }
}

// finishProducts lets the service handle all events, and judges.
func finishProducts(ctx context.Context, s *service, l *productLedger) (*report, error) {
	r := newReport()
	db, err := openStore(s.database)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	defer func() { _ = db.Close() }()
	begin := time.Now()
	if err := finishEvents(ctx, s, db, nil); err != nil {
		r.violate(stuck, "%v", err)
	}
	r.figure("time to drain", time.Since(begin))
	tables, err := readProducts(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the tables: %w", err)
	}
	tables.judge(r, l.known())
	return r, r.checkIntegrity(ctx, db)
}

func (r *report) checkIntegrity(ctx context.Context, db *store) error {
	problems, err := db.integrity(ctx)
	if err != nil {
		return fmt.Errorf("check integrity: %w", err)
	}
	for _, problem := range problems {
		r.violate(damaged, "%s", problem)
	}
	return nil
}
