package database

import (
	"context"
	"errors"
	"time"

	"plugboard/app"
)

// searchShare is the part of the readers that may search at the same time: one in this many, and at least one.
const searchShare = 4

var _ app.Searcher = (*pool)(nil)

// Search implements app.Searcher: fn gets a context that ends after the SearchTimeout setting, and no more than a quarter of
// the connections search at a time, so that searches that read whole tables leave the others their connections. The time
// includes the wait for a place. Within a transaction fn uses the transaction's connection, and needs no place.
func (p *pool) Search(ctx context.Context, fn func(ctx context.Context) error) error {
	run, cancel := context.WithTimeout(ctx, p.db.cfg.SearchTimeout)
	defer cancel()
	if _, inside := TxFrom(ctx); !inside {
		select {
		case p.db.searches <- struct{}{}:
			defer func() { <-p.db.searches }()
		case <-run.Done():
			if err := ctx.Err(); err != nil {
				return err
			}
			busy := app.Errorf(app.Unavailable, "too many searches are running; try again")
			busy.RetryAfter = time.Second
			return busy
		}
	}
	err := fn(run)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return app.Errorf(app.TimedOut, "the search took too long; narrow it").Because(err)
	}
	return err
}
