package outbox

import (
	"context"
	"fmt"
	"time"

	"plugboard/infra/eventbus/internal/outbox/store"
)

// behindCheck finds deliveries that are noted as behind another one of their key and no longer are. It looks at all of them when the
// process starts; when another process has gone, perhaps before it looked for the next one of a key; and again and again while a
// process of an older version runs, which never looks. Besides, it looks at a small page each minute, in case of an unknown cause.
type behindCheck struct {
	// full is true while all are looked at. at is where the next page begins.
	full bool
	at   store.BehindCursor
	last time.Time
}

const (
	behindEvery     = time.Minute
	behindPage      = 500
	behindSmallPage = 100
)

// poll looks at the next page, if it is time, and reports whether there is more to look at now.
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
