package outbox

import (
	"context"
	"fmt"
	"time"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/store"

	"go.uber.org/zap"
)

// janitor deletes finished events that are older than the retention, a page at a time. It reads the others, which may be kept for a
// subscription that nobody handles, without a lock.
type janitor struct {
	cfg   config.Events
	log   *zap.Logger
	store store.Retention
}

const (
	// janitorPage is how many rows are read, and deleted, at a time. Others write in the janitorPause after each page.
	janitorPage  = 500
	janitorPause = 10 * time.Millisecond
)

// every is how often the janitor reads everything: 200 times in the retention, so that little is stored that should be gone, and
// events that are kept for days are not read all the time.
func (j *janitor) every() time.Duration {
	return max(15*time.Second, min(j.cfg.Retention/200, time.Hour))
}

// run works until ctx ends.
func (j *janitor) run(ctx context.Context) {
	message.Repeat(ctx, func() time.Duration {
		periodic(ctx, j.log, "deletion of finished events failed", j.prune)
		periodic(ctx, j.log, "deletion of unused key numbers failed", j.pruneSequences)
		return j.every()
	})
}

// cutoff is the time before which what is finished may go.
func (j *janitor) cutoff(ctx context.Context) (time.Time, error) {
	now, err := j.store.Now(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the time: %w", err)
	}
	return now.Add(-j.cfg.Retention), nil
}

// periodic runs fn, which is run again later when it fails. Failure is the log's message then.
func periodic(ctx context.Context, log *zap.Logger, failure string, fn func(context.Context) error) {
	if err := fn(ctx); err != nil && ctx.Err() == nil {
		log.Warn(failure, zap.Error(err))
	}
}

// prune deletes finished events that are older than the retention.
func (j *janitor) prune(ctx context.Context) error {
	cutoff, err := j.cutoff(ctx)
	if err != nil {
		return err
	}
	for after := ""; ; {
		page, finished, err := j.store.EventsBefore(ctx, cutoff, after, janitorPage)
		if err != nil {
			return err
		}
		if len(finished) > 0 {
			if err := j.store.DeleteEvents(ctx, finished); err != nil {
				return err
			}
		}
		if len(page) < janitorPage {
			return nil
		}
		after = page[len(page)-1]
		if !app.Sleep(ctx, janitorPause) {
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
	for after := (store.Sequence{}); ; {
		unused, last, more, err := j.store.UnusedSequences(ctx, after, cutoff, janitorPage)
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
		if !app.Sleep(ctx, janitorPause) {
			return ctx.Err()
		}
	}
}

// pruneUnused deletes sequences, which are sorted, in a transaction for each topic.
func (j *janitor) pruneUnused(ctx context.Context, unused []store.Sequence, cutoff time.Time) error {
	for len(unused) > 0 {
		topic := unused[0].Topic
		var keys []string
		for len(unused) > 0 && unused[0].Topic == topic {
			keys = append(keys, unused[0].Key)
			unused = unused[1:]
		}
		if err := j.store.DB.InTx(ctx, func(ctx context.Context) error { return j.store.DeleteSequences(ctx, topic, keys, cutoff) }); err != nil {
			return err
		}
	}
	return nil
}
