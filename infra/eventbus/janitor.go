package eventbus

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"
)

// janitor deletes what is finished and older than the retention, a page at a time, beside everything else: what is kept,
// for a subscription that nobody handles perhaps, is looked at without a lock.
type janitor struct {
	o *Outbox
	// sequences is the one after which the next look for unused ones begins.
	sequences sequence
}

const (
	// janitorEvery is how often finished events are looked for, janitorPage how many of them at a time, with janitorPause
	// in between.
	janitorEvery = time.Minute
	janitorPage  = 500
	janitorPause = 10 * time.Millisecond
)

// run works until ctx ends.
func (j *janitor) run(ctx context.Context) {
	repeat(ctx, func() time.Duration {
		j.o.chore(ctx, "finished events not deleted", j.prune)
		j.o.chore(ctx, "numbers of keys no longer in use not deleted", j.pruneSequences)
		return janitorEvery
	})
}

// chore does what is tried again later when it fails.
func (o *Outbox) chore(ctx context.Context, failure string, fn func(context.Context) error) {
	if err := fn(ctx); err != nil && ctx.Err() == nil {
		o.log.Warn(failure, zap.Error(err))
	}
}

// prune deletes finished events that are older than the retention.
func (j *janitor) prune(ctx context.Context) error {
	cutoff := time.Now().Add(-j.o.cfg.Retention)
	for after := ""; ; {
		page, finished, err := j.o.store.eventsBefore(ctx, cutoff, after, janitorPage)
		if err != nil {
			return err
		}
		if len(finished) > 0 {
			if err := j.o.store.prune(ctx, finished); err != nil {
				return err
			}
		}
		if len(page) < janitorPage {
			return nil
		}
		after = page[len(page)-1]
		if !pause(ctx, janitorPause) {
			return ctx.Err()
		}
	}
}

// pruneSequences looks at the next page of keys, and deletes the numbers of those that have not been used for the
// retention and have nothing left to deliver. Such a key begins anew, with higher numbers.
func (j *janitor) pruneSequences(ctx context.Context) error {
	cutoff := time.Now().Add(-j.o.cfg.Retention)
	page, err := j.o.store.sequences(ctx, j.sequences, janitorPage)
	if err != nil {
		return err
	}
	j.sequences = sequence{} // from the beginning, unless there is more
	if len(page) == janitorPage {
		j.sequences = page[len(page)-1].sequence
	}
	page = slices.DeleteFunc(page, func(u usedSequence) bool { return !u.used.Before(cutoff) })
	if len(page) == 0 {
		return nil
	}
	// The database's order of topics is another one, if its collation is.
	slices.SortFunc(page, func(x, y usedSequence) int { return x.compare(y.sequence) })
	return j.o.db.InTx(ctx, func(ctx context.Context) error {
		for _, u := range page {
			if err := j.o.store.pruneSequence(ctx, u.sequence, cutoff); err != nil {
				return err
			}
		}
		return nil
	})
}
