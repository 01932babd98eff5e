package consumer

import (
	"slices"
	"time"
)

// KeyState keeps the order of the deliveries of one key: they run one at a time, in the order of their numbers.
type KeyState struct {
	// next is the number that may run next. tail is the highest number that this process has taken, by a claim or for a publisher.
	next, tail int64
	// busy is true if a delivery of the key is ready or runs. waiting holds the other deliveries, by number.
	busy    bool
	waiting []*Item
	// stuck is the time, on the consumer's clock, at which GiveUpStuck first found the key blocked by a missing number; 0 if it is not
	// blocked.
	stuck time.Duration
}

// idle reports whether the consumer has no delivery of the key, and every number that this process has taken has been pushed and is
// finished.
func (ks *KeyState) idle() bool { return !ks.busy && len(ks.waiting) == 0 && ks.next > ks.tail }

// maxIdleKeys is the number of known keys from which on a consumer forgets the idle keys before it adds another one. After a key was
// forgotten, its next event costs one more query.
const maxIdleKeys = 4096

func (c *Consumer) enqueueKeyed(d *Item) {
	ks := c.key(d.Key)
	d.order = ks
	if d.number == 0 { // package volatile does not number its deliveries: they run in the order in which they come
		ks.tail++
		d.number = ks.tail
	}
	at, _ := slices.BinarySearchFunc(ks.waiting, d.number, func(w *Item, number int64) int { return int(w.number - number) })
	ks.waiting = slices.Insert(ks.waiting, at, d)
	c.runNext(ks)
}

// runNext makes the next delivery of the key ready. It does nothing while another delivery of the key is ready or runs, or while the
// delivery with the next number is missing.
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

// ClaimKey takes a number of key for this process, if each earlier number is finished or taken by this process. Otherwise it returns
// nil. First is true if the key has no earlier number. The caller's transaction locks the row of the key's sequence, so that no other
// publisher takes the number meanwhile. When this transaction is rolled back, the caller calls UnclaimKey.
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

// UnclaimKey gives a number back that ClaimKey took. If this process has taken a later number since, another process may have stored
// this number, and the order here would have a gap. Then the consumer forgets the key and leaves the order to the database: the caller
// gives the returned deliveries, and each delivery that Push refuses later, back to storage.
func (c *Consumer) UnclaimKey(key string, ks *KeyState, number int64) []*Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ks.tail == number {
		ks.tail = number - 1
		return nil
	}
	return c.giveUp(key, ks)
}

// giveUp forgets key, if ks still is its state, and returns the deliveries that wait in ks. These must go back to storage, and so must
// each delivery of ks that Push refuses from then on. The caller holds the lock.
func (c *Consumer) giveUp(key string, ks *KeyState) []*Item {
	if ks == nil || c.keys[key] != ks {
		return nil
	}
	delete(c.keys, key)
	waiting := ks.waiting
	ks.waiting = nil
	return waiting
}

// Adopt prepares the consumer for deliveries of key that the caller claims from storage. Number is the first unfinished number of the
// key, and tail the last number that the caller claims. Adopt returns nil when the consumer has deliveries of the key, or a publisher
// is about to push one.
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

// Forget undoes Adopt after a claim that failed. It returns the deliveries that publishers have pushed meanwhile, with numbers after
// the claimed ones. The caller gives these back to storage.
func (c *Consumer) Forget(key string, ks *KeyState) []*Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.giveUp(key, ks)
}

// GiveUpStuck forgets the keys that it finds blocked by a missing number at two calls at least age apart, and at each call between.
// It returns the deliveries of these keys. The caller gives them back to storage.
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

// Advance notes that d is finished, handled or dead, and makes the next delivery of its key ready.
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

// Drop notes that d goes back to storage. It forgets the key of d and returns the later deliveries of this key, which must go back
// too.
func (c *Consumer) Drop(d *Item) []*Item { return c.Forget(d.Key, d.order) }

// StillOrders reports whether the consumer still keeps the order of d's key. It may have forgotten the key since d became ready. D has
// a key.
func (c *Consumer) StillOrders(d *Item) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys[d.Key] == d.order
}

// SameKey reports whether two deliveries have the same key, and the consumer has not forgotten the key between them. Both have a key.
func (d *Item) SameKey(other *Item) bool { return d.order == other.order }

// Working reports whether a delivery of key waits, is ready or runs.
func (c *Consumer) Working(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ks, ok := c.keys[key]
	return ok && (ks.busy || len(ks.waiting) > 0)
}
