package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// errNoEvent is the error of a delivery whose event is not in the database any more.
var errNoEvent = errors.New("the event of this delivery is missing in the database; it may have been deleted by hand")

// unknownEvent returns a message for a delivery whose event cannot be read. The delivery waits for its turn like all others, and then
// becomes dead with fault as its error.
func unknownEvent(q *queue, id, key string, fault error) *message.Message {
	m := &message.Message{Envelope: &message.Envelope{Topic: q.Subscription.Topic, Fault: fault}, Key: key}
	m.SetID(id)
	return m
}

// badRow reports whether a claim failed because of the contents of the row. Such a claim fails each time.
func badRow(err error) bool {
	var row *store.RowError
	return errors.As(err, &row) || app.CodeOf(err) == app.Invalid
}

// maxOddFailures is the number of failures after which claimSingly gives up, if neither rows nor an absent database cause them.
const maxOddFailures = 8

// claimSingly claims deliveries one by one, after a claim of all of them has failed with cause. So a bad row does not prevent the claim
// of the others. The delivery of the bad row becomes dead. claimSingly adds the claimed ids to taken. Full is true if a place or memory
// was missing.
func (c *claimer) claimSingly(ctx context.Context, q *queue, heads []store.KeyHead, taken map[string]bool, cause error) (full bool, err error) {
	if ctx.Err() != nil || database.Absent(cause) {
		return false, cause
	}
	var failed []error
	for _, h := range heads {
		one := make(map[string]bool)
		full, err := c.claimThese(ctx, q, []store.KeyHead{h}, one)
		if err != nil && badRow(err) {
			err = c.condemn(ctx, q, h, err)
		}
		switch {
		case full:
			return true, errors.Join(failed...)
		case err != nil:
			failed = append(failed, fmt.Errorf("event %s: %w", h.ID, err))
		}
		if one[h.ID] {
			taken[h.ID] = true
		}
		if err != nil && (ctx.Err() != nil || database.Absent(err) || len(failed) >= maxOddFailures) {
			break
		}
	}
	return false, errors.Join(failed...)
}

// condemn makes a delivery dead because the contents of its row make each claim fail.
func (c *claimer) condemn(ctx context.Context, q *queue, h store.KeyHead, failure error) error {
	d := q.NewItem(unknownEvent(q, h.ID, h.Key, nil), 0, 0, nil)
	reason := fmt.Errorf("the stored row of this delivery is invalid: %w", failure)
	mine := false
	err := c.store.DB.InTx(ctx, func(ctx context.Context) (err error) {
		if mine, err = c.store.DeadLetterUnclaimed(ctx, h.ID, q.storedAs(), message.ErrorText(reason)); err != nil || !mine {
			return err
		}
		return c.publisher.announce(ctx, &d.Delivery, reason)
	})
	if err != nil {
		return fmt.Errorf("mark an unreadable delivery as dead: %w", err)
	}
	if !mine {
		return nil // somebody has claimed or deleted the delivery meanwhile
	}
	if c.hooks.Dead != nil {
		c.hooks.Dead(&d.Delivery, reason)
	}
	if h.Key != "" && !q.Subscription.Block {
		c.finish(q, h.Key)
	}
	return nil
}

// claimBatch is the most deliveries of one claim.
const claimBatch = 256

// due reports whether the next delivery of q is due. Wait is the number of milliseconds until then, null without a delivery. If the
// delivery is not due yet, due makes the claimer poll at its time.
func (c *claimer) due(q *queue, wait sql.NullInt64) bool {
	if wait.Valid && wait.Int64 > 0 {
		q.backlog.setDue(time.Now().Add(time.Duration(wait.Int64) * time.Millisecond))
	}
	return wait.Valid && wait.Int64 <= 0
}

// claimUnkeyed claims deliveries without key.
func (c *claimer) claimUnkeyed(ctx context.Context, q *queue) (more bool, err error) {
	places := q.ReserveUpTo(claimBatch)
	if places == 0 {
		return true, nil
	}
	taken, full, err := c.take(ctx, q, places, nil, false, func(ctx context.Context) ([]store.Claimed, error) {
		return c.store.ClaimUnkeyed(ctx, c.replica.ID(), q.storedAs(), places)
	})
	if err == nil {
		return full || len(taken) == places, nil
	}
	heads, listErr := c.store.DueUnkeyed(ctx, q.storedAs(), places)
	if listErr != nil {
		return false, errors.Join(err, listErr)
	}
	return c.claimSingly(ctx, q, heads, map[string]bool{}, err)
}

// take claims deliveries with fn in a transaction, reads their events, and hands the deliveries to q; orders has the states of their
// keys. The caller has reserved places, and take gives back the places that it does not use. If deliveries do not fit the budget, they
// stay in the database and full is true. But with whole, take then undoes a claim of several deliveries and returns errNoRoom.
func (c *claimer) take(ctx context.Context, q *queue, places int, orders map[string]*consumer.KeyState, whole bool,
	fn func(context.Context) ([]store.Claimed, error),
) (got []store.Claimed, full bool, err error) {
	nothingElse := q.Used() == int64(places)
	defer func() { q.Unreserve(places - len(got)) }()
	var messages map[string]*message.Message
	bytes := int64(0)
	err = c.store.DB.InTx(ctx, func(ctx context.Context) error {
		c.budget.give(bytes) // InTx may call this function again: give back the bytes of the earlier try
		bytes = 0
		if got, err = fn(ctx); err != nil || len(got) == 0 {
			return err
		}
		messages, full, err = c.read(ctx, q, got, nothingElse, &bytes)
		switch {
		case err != nil || !full:
			return err
		case whole && len(got) > 1:
			return errNoRoom
		}
		got, err = c.leaveRest(ctx, q, got, messages)
		return err
	})
	if err != nil {
		c.budget.give(bytes)
		got = nil
		c.doubt.Store(true)
		for key, order := range orders {
			c.settler.release(q.Forget(key, order)...)
		}
		return nil, full, fmt.Errorf("claim events: %w", err)
	}
	//crash:point after claim: len(got)>0
	for _, g := range got {
		d := q.NewItem(messages[g.EventID], g.Attempts, g.Number, orders[g.Key])
		d.Claim = g.Claim
		if !d.Claim.Quarantined() {
			q.deliver(d)
			continue
		}
		q.backlog.hold(d)
		if !c.quarantine.Add(ctx, d) {
			c.settler.release(d)
		}
	}
	c.idle.Tell()
	return got, full, nil
}

// errNoRoom undoes the claim of several deliveries that do not fit the budget together.
var errNoRoom = errors.New("the deliveries do not fit the memory that events may use")

// read reads the events of claimed deliveries, takes memory for them from the budget, and adds this memory to bytes. With nothingElse
// the first event always fits. When an event does not fit, full is true, and read keeps no further events.
func (c *claimer) read(ctx context.Context, q *queue, got []store.Claimed, nothingElse bool, bytes *int64) (messages map[string]*message.Message, full bool, err error) {
	ids := make([]string, len(got))
	for i := range got {
		ids[i] = got[i].EventID
	}
	missing := make(map[string]bool, len(got))
	for _, id := range ids {
		missing[id] = true
	}
	keep := func(m *message.Message) bool {
		delete(missing, m.ID())
		if full || !c.budget.take(m.Size(), nothingElse && *bytes == 0) {
			full = true
			return false
		}
		*bytes += m.Size()
		return true
	}
	if messages, err = c.events.Read(ctx, ids, keep); err != nil {
		return nil, false, err
	}
	for _, g := range got {
		if missing[g.EventID] {
			m := unknownEvent(q, g.EventID, g.Key, errNoEvent)
			c.budget.take(m.Size(), true)
			*bytes += m.Size()
			messages[g.EventID] = m
		}
	}
	return messages, full, nil
}

// leaveRest gives back the claimed deliveries without a message in messages, since they did not fit. It returns the others.
func (c *claimer) leaveRest(ctx context.Context, q *queue, got []store.Claimed, messages map[string]*message.Message) (kept []store.Claimed, err error) {
	var rest []string
	for _, g := range got {
		if messages[g.EventID] != nil {
			kept = append(kept, g)
		} else {
			rest = append(rest, g.EventID)
		}
	}
	return kept, c.store.Unclaim(ctx, c.replica.ID(), q.storedAs(), rest)
}

// errBusyKey undoes the claim of a key, since this process has deliveries of the key already.
var errBusyKey = errors.New("the key is at work in this process")
