package eventbus

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// janitor deletes what is finished and older than the retention, a page at a time, beside everything else: what is kept,
// for a subscription that nobody handles perhaps, is looked at without a lock.
type janitor struct{ o *Outbox }

const (
	// janitorPage is how many rows are looked at, and deleted, at a time, with janitorPause in between, in which others write.
	janitorPage  = 500
	janitorPause = 10 * time.Millisecond
)

// every is how often the janitor goes through everything: hundreds of times in the retention, so that what is stored exceeds
// what is to be kept by little, but not again and again through what is to be kept for days.
func (j *janitor) every() time.Duration {
	return max(15*time.Second, min(j.o.cfg.Retention/200, time.Hour))
}

// run works until ctx ends.
func (j *janitor) run(ctx context.Context) {
	repeat(ctx, func() time.Duration {
		j.o.chore(ctx, "finished events not deleted", j.prune)
		j.o.chore(ctx, "numbers of keys no longer in use not deleted", j.pruneSequences)
		return j.every()
	})
}

// cutoff is the time before which what is finished may go.
func (j *janitor) cutoff(ctx context.Context) (time.Time, error) {
	now, err := j.o.store.now(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the time: %w", err)
	}
	return now.Add(-j.o.cfg.Retention), nil
}

// chore does what is tried again later when it fails.
func (o *Outbox) chore(ctx context.Context, failure string, fn func(context.Context) error) {
	if err := fn(ctx); err != nil && ctx.Err() == nil {
		o.log.Warn(failure, zap.Error(err))
	}
}

// prune deletes finished events that are older than the retention.
func (j *janitor) prune(ctx context.Context) error {
	cutoff, err := j.cutoff(ctx)
	if err != nil {
		return err
	}
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

// pruneSequences deletes the numbers of keys that have not been used for the retention and have nothing left to deliver. Such
// a key begins anew, with higher numbers.
func (j *janitor) pruneSequences(ctx context.Context) error {
	cutoff, err := j.cutoff(ctx)
	if err != nil {
		return err
	}
	for after := (sequence{}); ; {
		unused, last, more, err := j.o.store.unusedSequences(ctx, after, cutoff, janitorPage)
		if err != nil {
			return err
		}
		if err := j.pruneUnused(ctx, unused, cutoff); err != nil {
			return err
		}
		if !more {
			return nil
		}
		after = last
		if !pause(ctx, janitorPause) {
			return ctx.Err()
		}
	}
}

// pruneUnused deletes sequences, which are sorted, in a transaction for each topic.
func (j *janitor) pruneUnused(ctx context.Context, unused []sequence, cutoff time.Time) error {
	for len(unused) > 0 {
		topic := unused[0].topic
		var keys []string
		for len(unused) > 0 && unused[0].topic == topic {
			keys = append(keys, unused[0].key)
			unused = unused[1:]
		}
		if err := j.o.db.InTx(ctx, func(ctx context.Context) error { return j.o.store.pruneSequences(ctx, topic, keys, cutoff) }); err != nil {
			return err
		}
	}
	return nil
}
