package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/outbox/store"
)

const (
	// readyPage is how many due deliveries with a key one query reads.
	readyPage = 512
	// finishDelay is the wait between the end of a delivery with a key and the search for the next delivery of the key, so that one
	// query searches for many keys. Usually the next delivery is in memory, and nobody waits.
	finishDelay = 50 * time.Millisecond
)

// finish notes that q has no more delivery of key in memory. The claimer then looks for the next one in the database.
func (c *claimer) finish(q *queue, key string) {
	if !c.store.Postgres && !c.mayBehind.Load() {
		return // no delivery is marked as behind, so polls find all; on Postgres another process may be about to mark one
	}
	b := &q.backlog
	b.mu.Lock()
	first := len(b.finished) == 0
	b.finished = append(b.finished, key)
	b.mu.Unlock()
	switch {
	case b.moreKeys.Load():
		c.wake(q)
	case first:
		c.open(q, finishDelay)
	}
}

// claimKeyed claims the first deliveries of the keys with due deliveries, and of the finished keys. It marks due deliveries that are
// behind another one of their key. More is true if due deliveries may be left.
func (c *claimer) claimKeyed(ctx context.Context, q *queue, due bool, finished []string) (more bool, err error) {
	if !due && len(finished) == 0 {
		q.backlog.moreKeys.Store(false)
		return false, nil
	}
	if q.Full() {
		q.backlog.putBackFinished(finished)
		return true, nil
	}
	var found []store.Candidate
	if due {
		found, err = c.store.DueKeyed(ctx, q.storedAs(), readyPage)
	}
	if err == nil {
		more, err = c.claimKeys(ctx, q, finished[:min(len(finished), readyPage)], found)
	}
	if err != nil {
		q.backlog.putBackFinished(finished)
		return false, fmt.Errorf("claim ordered events: %w", err)
	}
	if len(finished) > readyPage {
		q.backlog.putBackFinished(finished[readyPage:])
		more = true
	}
	return more, nil
}

// claimKeys claims the first deliveries of the finished keys and of the keys of the found candidates.
func (c *claimer) claimKeys(ctx context.Context, q *queue, finished []string, found []store.Candidate) (more bool, err error) {
	keys := slices.Clone(finished)
	for _, d := range found {
		keys = append(keys, d.Key)
	}
	slices.Sort(keys)
	heads, err := c.store.KeyHeads(ctx, q.storedAs(), slices.Compact(keys), q.Subscription.Block)
	if err != nil {
		return false, err
	}
	var due []store.KeyHead
	var hidden []string
	for _, h := range heads {
		if h.State != "pending" {
			continue
		}
		if h.Behind {
			hidden = append(hidden, h.ID)
		}
		if h.Wait > 0 {
			c.open(q, time.Duration(h.Wait)*time.Millisecond)
		} else {
			due = append(due, h)
		}
	}
	taken := make(map[string]bool)
	full, err := c.claimHeads(ctx, q, due, taken)
	if err != nil {
		return false, err
	}
	hidden = slices.DeleteFunc(hidden, func(id string) bool { return taken[id] })
	if len(hidden) > 0 {
		if _, err := c.store.UnmarkBehind(ctx, q.storedAs(), hidden); err != nil {
			return false, err
		}
	}
	set, err := c.setBehind(ctx, q, heads, found, taken)
	if err != nil {
		return false, err
	}
	progress := len(taken) > 0 || set > 0
	q.backlog.moreKeys.Store(progress)
	return full || progress && len(found) == readyPage, nil
}

// setBehind marks as behind the found candidates that are neither the first of their keys nor claimed now.
func (c *claimer) setBehind(ctx context.Context, q *queue, heads []store.KeyHead, found []store.Candidate, taken map[string]bool) (int64, error) {
	first := make([]string, len(heads))
	for i, h := range heads {
		first[i] = h.ID
	}
	slices.Sort(first)
	var behind []string
	for _, d := range found {
		if _, ok := slices.BinarySearch(first, d.ID); !ok && !taken[d.ID] {
			behind = append(behind, d.ID)
		}
	}
	if len(behind) == 0 {
		return 0, nil
	}
	c.mayBehind.Store(true) // before the rows are marked, so that finish looks for them
	var n int64
	err := c.store.DB.InTx(ctx, func(ctx context.Context) (err error) {
		n, err = c.store.MarkBehind(ctx, q.storedAs(), first, behind, q.Subscription.Block)
		return err
	})
	return n, err
}

// claimHeads claims the first deliveries of keys. For few keys it also claims the deliveries that follow. It adds the claimed ids to
// taken. Full is true if a place or memory was missing.
func (c *claimer) claimHeads(ctx context.Context, q *queue, due []store.KeyHead, taken map[string]bool) (full bool, err error) {
	if len(due) > fewKeys {
		return c.claimPage(ctx, q, due, taken)
	}
	for _, h := range due {
		wasFull, err := c.claimHead(ctx, q, h, taken)
		if err != nil {
			return full, err
		}
		full = full || wasFull
	}
	return full, nil
}

// fewKeys is the most keys for which claimHeads claims several deliveries each. For more keys, it claims only the first delivery of each.
const fewKeys = 32

// claimPage claims the first delivery of each key, one by one if a claim of all fails. It adds the claimed ids to taken. Full is true
// if a place or memory was missing.
func (c *claimer) claimPage(ctx context.Context, q *queue, heads []store.KeyHead, taken map[string]bool) (full bool, err error) {
	if full, err = c.claimThese(ctx, q, heads, taken); err != nil {
		return c.claimSingly(ctx, q, heads, taken, err)
	}
	return full, nil
}

// claimThese claims deliveries without key and first deliveries of keys, in one transaction. It adds the claimed ids to taken. Full is
// true if a place or memory was missing.
func (c *claimer) claimThese(ctx context.Context, q *queue, heads []store.KeyHead, taken map[string]bool) (full bool, err error) {
	places := q.ReserveUpTo(len(heads))
	orders := make(map[string]*consumer.KeyState, places)
	ids := make([]string, 0, places)
	for _, h := range heads[:places] {
		if h.Key == "" {
			ids = append(ids, h.ID)
		} else if order := q.Adopt(h.Key, h.Number, h.Number); order != nil {
			orders[h.Key] = order
			ids = append(ids, h.ID)
		}
	}
	keys := make(map[string]bool, len(ids))
	got, short, err := c.take(ctx, q, places, orders, false, func(ctx context.Context) ([]store.Claimed, error) {
		return c.store.ClaimByID(ctx, c.replica.ID(), q.storedAs(), ids)
	})
	for _, g := range got {
		keys[g.Key], taken[g.EventID] = true, true
	}
	for key, order := range orders {
		if !keys[key] { // another process was faster, or the delivery did not fit the memory
			c.settler.release(q.Forget(key, order)...)
		}
	}
	return short || places < len(heads), err
}

// claimHead claims the first delivery of a key, and the deliveries that follow it without a gap. It adds the claimed ids to taken.
// Full is true if a place or memory was missing.
func (c *claimer) claimHead(ctx context.Context, q *queue, h store.KeyHead, taken map[string]bool) (full bool, err error) {
	places := q.ReserveUpTo(store.KeyBatch)
	if places == 0 {
		return true, nil
	}
	orders := make(map[string]*consumer.KeyState, 1)
	run, full, err := c.take(ctx, q, places, orders, true, func(ctx context.Context) ([]store.Claimed, error) {
		if order := orders[h.Key]; order != nil { // an earlier try of this transaction was rolled back
			c.settler.release(q.Forget(h.Key, order)...)
		}
		got, err := c.store.ClaimKey(ctx, c.replica.ID(), q.storedAs(), h.Key, h.Number, places, q.Subscription.Block)
		if err != nil || len(got) == 0 {
			return nil, err
		}
		order := q.Adopt(h.Key, h.Number, h.Number+int64(len(got))-1)
		if order == nil {
			return nil, errBusyKey
		}
		orders[h.Key] = order
		return got, nil
	})
	switch {
	case errors.Is(err, errBusyKey):
		return false, nil
	case errors.Is(err, errNoRoom):
		return c.claimPage(ctx, q, []store.KeyHead{h}, taken)
	case err != nil:
		return c.claimSingly(ctx, q, []store.KeyHead{h}, taken, err)
	}
	for _, g := range run {
		taken[g.EventID] = true
	}
	if order := orders[h.Key]; order != nil && len(run) == 0 { // the only delivery did not fit the budget
		c.settler.release(q.Forget(h.Key, order)...)
	}
	return full, nil
}
