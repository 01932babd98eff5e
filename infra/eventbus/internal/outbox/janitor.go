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
	// janitorPage is how many rows are read, and deleted, at a time. The janitorPause after each page lets others write.
	janitorPage  = 500
	janitorPause = 10 * time.Millisecond
)

// every is how often the janitor reads everything: 200 times in the retention, so that little is stored that should be gone, and
// events that are kept for days are not read again and again.
func (j *janitor) every() time.Duration {
	return max(15*time.Second, min(j.cfg.Retention/200, time.Hour))
}

// run works until ctx ends.
func (j *janitor) run(ctx context.Context) {
	message.Repeat(ctx, func() time.Duration {
		runLogged(ctx, j.log, "deletion of finished events failed", j.prune)
		runLogged(ctx, j.log, "deletion of unused key numbers failed", j.pruneSequences)
		return j.every()
	})
}

// runLogged runs fn and logs its error with failure as the message. Its callers run it again at their next turn.
func runLogged(ctx context.Context, log *zap.Logger, failure string, fn func(context.Context) error) {
	if err := fn(ctx); err != nil && ctx.Err() == nil {
		log.Warn(failure, zap.Error(err))
	}
}

// prune deletes finished events that are older than the retention.
func (j *janitor) prune(ctx context.Context) error {
	after := ""
	return j.eachPage(ctx, func(cutoff time.Time) (more bool, err error) {
		page, finished, err := j.store.EventsBefore(ctx, cutoff, after, janitorPage)
		if err == nil && len(finished) > 0 {
			err = j.store.DeleteEvents(ctx, finished)
		}
		if err != nil || len(page) < janitorPage {
			return false, err
		}
		after = page[len(page)-1]
		return true, nil
	})
}

// pruneSequences deletes the numbers of keys that have not been used for the retention and have nothing left to deliver. Such
// a key begins anew, with higher numbers.
func (j *janitor) pruneSequences(ctx context.Context) error {
	var after store.Sequence
	return j.eachPage(ctx, func(cutoff time.Time) (more bool, err error) {
		var unused []store.Sequence
		if unused, after, more, err = j.store.UnusedSequences(ctx, after, cutoff, janitorPage); err != nil {
			return false, err
		}
		return more, j.pruneUnused(ctx, unused, cutoff)
	})
}

// eachPage calls fn until it reports that there is no more, with the time before which what is finished may be deleted.
func (j *janitor) eachPage(ctx context.Context, fn func(cutoff time.Time) (more bool, err error)) error {
	now, err := j.store.Now(ctx)
	if err != nil {
		return fmt.Errorf("ask for the time: %w", err)
	}
	for {
		if more, err := fn(now.Add(-j.cfg.Retention)); err != nil || !more {
			return err
		}
		if !app.Sleep(ctx, janitorPause) {
			return ctx.Err()
		}
	}
}

// pruneUnused deletes sequences, which are sorted, with a transaction for each topic.
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
