package consumer

import (
	"slices"
	"time"
)

// KeyState keeps the order of the deliveries of one key: they run one at a time, in the order of their numbers.
type KeyState struct {
	// next is the number that may run next. tail is the highest number that this process has taken.
	next, tail int64
	// busy tells that a delivery of the key is ready or runs. waiting are the others, by number.
	busy    bool
	waiting []*Item
	// stuck is when GiveUpStuck first found the key waiting for a number that has not come, on the consumer's clock; 0 when it has
	// not.
	stuck time.Duration
}

// idle reports whether the consumer has no delivery of the key, and no publisher that has claimed a number is yet to push it.
func (ks *KeyState) idle() bool { return !ks.busy && len(ks.waiting) == 0 && ks.next > ks.tail }

// maxIdleKeys bounds how many keys without deliveries a consumer remembers. After a key was forgotten, its next event costs one
// more query.
const maxIdleKeys = 4096

func (c *Consumer) enqueueKeyed(d *Item) {
	ks := c.key(d.Key)
	d.order = ks
	if d.number == 0 { // the volatile way does not number: first come, first served
		ks.tail++
		d.number = ks.tail
	}
	at, _ := slices.BinarySearchFunc(ks.waiting, d.number, func(w *Item, number int64) int { return int(w.number - number) })
	ks.waiting = slices.Insert(ks.waiting, at, d)
	c.runNext(ks)
}

// runNext makes the next delivery of the key ready, unless another one is ready or runs, or its number has not come yet.
func (c *Consumer) runNext(ks *KeyState) {
	if ks.busy || len(ks.waiting) == 0 || ks.waiting[0].number > ks.next {
		return
	}
	ks.busy = true
	c.ready.push(ks.waiting[0])
	ks.waiting = slices.Delete(ks.waiting, 0, 1)
}

func (c *Consumer) key(key string) *KeyState {
	ks, ok := c.keys[key]
	if !ok {
		if len(c.keys) >= maxIdleKeys {
			c.forgetIdleKeys()
		}
		ks = &KeyState{next: 1}
		c.keys[key] = ks
	}
	return ks
}

func (c *Consumer) forgetIdleKeys() {
	for k, ks := range c.keys {
		if ks.idle() {
			delete(c.keys, k)
		}
	}
}

// ClaimKey takes a number of key for this process, if all earlier numbers are finished or this process has taken them; otherwise it
// returns nil. First tells that the key has no earlier number. The caller's transaction locks the key's row, so that nobody else
// takes the number meanwhile. When that transaction is rolled back, the caller calls UnclaimKey.
func (c *Consumer) ClaimKey(key string, number int64, first bool) *KeyState {
	c.mu.Lock()
	defer c.mu.Unlock()
	ks, known := c.keys[key]
	if first && (!known || ks.idle()) {
		ks, known = c.key(key), true
		*ks = KeyState{next: number, tail: number - 1}
	}
	if !known || ks.tail != number-1 {
		return nil
	}
	ks.tail = number
	return ks
}

// UnclaimKey gives a number back that ClaimKey took. When this process has taken later numbers of the key since, another process
// may take this one, so the consumer forgets the key. The caller gives back to storage what UnclaimKey returns and what Push
// refuses later.
func (c *Consumer) UnclaimKey(key string, ks *KeyState, number int64) []*Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ks.tail == number {
		ks.tail = number - 1
		return nil
	}
	return c.giveUp(key, ks)
}

// giveUp forgets key, if ks still is its state, and returns the deliveries that wait in it. They must go back to storage, and so
// must the ones of ks that Push refuses from then on. The caller holds the lock.
func (c *Consumer) giveUp(key string, ks *KeyState) []*Item {
	if ks == nil || c.keys[key] != ks {
		return nil
	}
	delete(c.keys, key)
	waiting := ks.waiting
	ks.waiting = nil
	return waiting
}

// Adopt prepares the consumer for deliveries of key that the caller claims from storage: number is the first unfinished one, tail
// the last one claimed. It returns nil when the consumer has deliveries of the key, or a publisher is about to push one.
func (c *Consumer) Adopt(key string, number, tail int64) *KeyState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ks, ok := c.keys[key]; ok && !ks.idle() {
		return nil
	}
	ks := &KeyState{next: number, tail: tail}
	c.keys[key] = ks
	return ks
}

// Forget undoes Adopt, after a claim that failed. It returns what publishers have pushed behind the claimed numbers meanwhile; the
// caller gives that back to storage.
func (c *Consumer) Forget(key string, ks *KeyState) []*Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.giveUp(key, ks)
}

// GiveUpStuck forgets the keys of which deliveries wait and none has run for longer than age, since the number before them never
// came. It returns those deliveries; the caller gives them back to storage.
func (c *Consumer) GiveUpStuck(age time.Duration) (left []*Item) {
	now := c.clock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, ks := range c.keys {
		switch {
		case ks.busy || ks.idle():
			ks.stuck = 0
		case ks.stuck == 0:
			ks.stuck = now
		case now-ks.stuck >= age:
			left = append(left, c.giveUp(key, ks)...)
		}
	}
	return left
}

// Advance tells that d is finished, with success or dead: the next delivery of its key may run.
func (c *Consumer) Advance(d *Item) {
	if d.Key == "" {
		return
	}
	c.mu.Lock()
	ks := d.order
	if c.keys[d.Key] != ks {
		c.mu.Unlock()
		return
	}
	ks.busy = false
	ks.next = d.number + 1
	c.runNext(ks)
	more := ks.busy || len(ks.waiting) > 0
	c.wake()
	c.mu.Unlock()
	if more {
		c.tellReady()
	}
}

// Drop tells that d goes back to storage. It forgets the key of d and returns the later deliveries of it, which must go back too.
func (c *Consumer) Drop(d *Item) []*Item { return c.Forget(d.Key, d.order) }

// StillOrders reports whether the consumer still keeps the order of d's key, which is not "". It may have forgotten the key since d
// became ready.
func (c *Consumer) StillOrders(d *Item) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys[d.Key] == d.order
}

// SameKey reports whether two deliveries are of one key, in one order.
func (d *Item) SameKey(other *Item) bool { return d.order == other.order }

// Working reports whether a delivery of key waits, is ready or runs.
func (c *Consumer) Working(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ks, ok := c.keys[key]
	return ok && (ks.busy || len(ks.waiting) > 0)
}
