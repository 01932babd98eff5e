package consumer

import (
	"slices"
	"time"
)

// Order orders the deliveries of one key: they run one at a time, in the order of their numbers.
type Order struct {
	// next is the number that may run next. tail is the highest number that this process has taken.
	next, tail int64
	busy       bool
	waiting    []*Item
	// stuck is when GiveUpStuck first found the key waiting for a number, on the consumer's clock; 0 when it did not.
	stuck time.Duration
}

// idle reports whether the consumer has no delivery of the key, and no publisher is about to push one.
func (ks *Order) idle() bool { return !ks.busy && len(ks.waiting) == 0 && ks.next > ks.tail }

// maxIdleKeys bounds how many keys without deliveries a consumer remembers. A forgotten key costs a query when its next event
// is published.
const maxIdleKeys = 4096

func (c *Consumer) enqueueKeyed(d *Item) {
	ks := c.key(d.Key)
	d.order = ks
	if d.number == 0 { // the owner does not number: first come, first served
		ks.tail++
		d.number = ks.tail
	}
	at, _ := slices.BinarySearchFunc(ks.waiting, d.number, func(w *Item, number int64) int { return int(w.number - number) })
	ks.waiting = slices.Insert(ks.waiting, at, d)
	c.runNext(ks)
}

// runNext makes the delivery ready whose turn it is.
func (c *Consumer) runNext(ks *Order) {
	if ks.busy || len(ks.waiting) == 0 || ks.waiting[0].number > ks.next {
		return
	}
	ks.busy = true
	c.ready.push(ks.waiting[0])
	ks.waiting = slices.Delete(ks.waiting, 0, 1)
}

func (c *Consumer) key(key string) *Order {
	ks, ok := c.keys[key]
	if !ok {
		if len(c.keys) >= maxIdleKeys {
			c.forgetIdleKeys()
		}
		ks = &Order{next: 1}
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

// ClaimKey takes a number of key for this process if all earlier ones are done or taken by this process; otherwise it returns
// nil. First tells that the key has no earlier number. The caller's transaction holds the key's row until it ends; when it
// rolls back, the caller calls UnclaimKey.
func (c *Consumer) ClaimKey(key string, number int64, first bool) *Order {
	c.mu.Lock()
	defer c.mu.Unlock()
	ks, known := c.keys[key]
	if first && (!known || ks.idle()) {
		ks, known = c.key(key), true
		*ks = Order{next: number, tail: number - 1}
	}
	if !known || ks.tail != number-1 {
		return nil
	}
	ks.tail = number
	return ks
}

// UnclaimKey gives a number back. When this process has taken later numbers of the key, another process may have the number by
// now: the consumer forgets the key then. What UnclaimKey returns, and what Push refuses, must go back to storage.
func (c *Consumer) UnclaimKey(key string, ks *Order, number int64) []*Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ks.tail == number {
		ks.tail = number - 1
		return nil
	}
	return c.giveUp(key, ks)
}

// giveUp removes ks, if it still is the state of key, and returns what waits in it. What it returns, and what Push refuses
// from then on, must go back to storage. The caller holds the lock.
func (c *Consumer) giveUp(key string, ks *Order) []*Item {
	if ks == nil || c.keys[key] != ks {
		return nil
	}
	delete(c.keys, key)
	waiting := ks.waiting
	ks.waiting = nil
	return waiting
}

// Adopt tells the consumer that number, taken from storage, is the first unfinished one of key, and that this process holds the
// numbers up to tail. It returns nil when the consumer has deliveries of the key, or a publisher is about to push one.
func (c *Consumer) Adopt(key string, number, tail int64) *Order {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ks, ok := c.keys[key]; ok && !ks.idle() {
		return nil
	}
	ks := &Order{next: number, tail: tail}
	c.keys[key] = ks
	return ks
}

// Forget gives up an adopted order whose deliveries could not be claimed after all. It returns what publishers have pushed
// behind them meanwhile: that must go back to storage.
func (c *Consumer) Forget(key string, ks *Order) []*Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.giveUp(key, ks)
}

// GiveUpStuck gives up the keys that have waited for longer than age for a number that nobody brings: the key expects a
// delivery, and none of it is ready or runs. It returns what waited there, which must go back to storage.
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

// Advance tells that d is finished, one way or the other: the next delivery of its key may run.
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

// Drop tells that d goes back to storage. It returns the later deliveries of its key, which must go back too, and forgets the
// key.
func (c *Consumer) Drop(d *Item) []*Item {
	if d.Key == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.giveUp(d.Key, d.order)
}

// Orders reports whether the consumer still orders the key of d, which has one: the key may have been dropped since d became
// ready.
func (c *Consumer) Orders(d *Item) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys[d.Key] == d.order
}

// SameKey reports whether two deliveries are of one key, in one order.
func (d *Item) SameKey(other *Item) bool { return d.order == other.order }

// Working reports whether the consumer has a delivery of key.
func (c *Consumer) Working(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ks, ok := c.keys[key]
	return ok && (ks.busy || len(ks.waiting) > 0)
}
