package outbox

import (
	"context"
	"fmt"
	"time"

	"plugboard/infra/eventbus/internal/outbox/store"
)

// behindCheck finds deliveries that are marked as behind another delivery of their key, but are the first of it now. It reads all
// marked deliveries in three cases: when the process starts; when another process has gone, since this may have finished a delivery and
// not looked for the next one of the key; and again and again while a process of an older version runs, since this version never looks.
// Besides, it reads a small page each minute, in case a delivery was forgotten for an unknown reason.
type behindCheck struct {
	// full is true while it reads all marked deliveries. at is the place at which the next page begins.
	full bool
	at   store.BehindCursor
	last time.Time
}

const (
	behindEvery     = time.Minute
	behindPage      = 500
	behindSmallPage = 100
)

// poll reads the next page if it is time for it. More is true if the page after it should be read at once. All makes it begin to read
// all marked deliveries.
func (b *behindCheck) poll(ctx context.Context, c *claimer, now time.Time, all bool) (more bool, err error) {
	if all && !b.full {
		b.full, b.at = true, store.BehindCursor{}
	}
	limit := behindPage
	if !b.full {
		limit = behindSmallPage
		if now.Sub(b.last) < behindEvery {
			return false, nil
		}
	}
	b.last = now
	var blocking []string
	for _, q := range c.queues.all {
		if q.Subscription.Block {
			blocking = append(blocking, q.storedAs())
		}
	}
	freed, last, more, err := c.store.NoLongerBehind(ctx, b.at, blocking, limit)
	if err != nil {
		return false, fmt.Errorf("search for deliveries that are no longer behind others: %w", err)
	}
	for name, ids := range freed {
		q := c.queues.storedAs(name)
		if q == nil {
			continue
		}
		if _, err := c.store.UnmarkBehind(ctx, name, ids); err != nil {
			return false, fmt.Errorf("mark deliveries as ready: %w", err)
		}
		c.open(q, 0)
	}
	b.at = last
	if !more {
		b.full, b.at = false, store.BehindCursor{}
	}
	return b.full, nil
}
