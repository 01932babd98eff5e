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

// janitor deletes finished events that are older than the retention, one page at a time. It may read many old events that it cannot
// delete, since a subscription without a handler keeps them. It reads them without a lock.
type janitor struct {
	cfg   config.Events
	log   *zap.Logger
	store store.Retention
}

const (
	// janitorPage is the most rows that the janitor reads or deletes at a time. During the janitorPause after each page others can
	// write.
	janitorPage  = 500
	janitorPause = 10 * time.Millisecond
)

// every is the wait between two searches for old events: a 200th of the retention, from 15 seconds to an hour. So no event stays much
// longer than the retention, and the janitor seldom reads the events that it cannot delete.
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

// runLogged runs fn and logs its error with failure as the message. The callers run fn again at their next turn.
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

// pruneSequences deletes the sequences of keys that nobody has used for the retention and that have no deliveries. The next event of
// such a key starts a new sequence with higher numbers.
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

// eachPage calls fn for one page after the other, until more is false. Rows from before cutoff are older than the retention.
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

// pruneUnused deletes sequences, in one transaction for each topic. The sequences are sorted.
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
