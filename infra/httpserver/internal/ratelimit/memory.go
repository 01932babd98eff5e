package ratelimit

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"sync"
	"time"
)

// Most is how many keys a [Memory] keeps at most. With all of them it takes some 4 MB.
const Most = 1 << 16

const (
	// shardCount is how many locks the keys are spread over.
	shardCount = 64
	shardMost  = Most / shardCount
	// roomMade is how many keys a full shard forgets at least, so that it need not be searched for each new key.
	roomMade = shardMost / 16
)

// Key says whose requests are counted, and for which limit.
type Key struct {
	// Limit tells the limits of a server apart.
	Limit uint32
	// High and Low tell the callers of a limit apart: an address, or a [Memory.Hash].
	High, Low uint64
}

// Memory counts the requests of many keys in the process. Make it with [NewMemory]. It is safe for concurrent use, and blocks only for other
// calls, for some microseconds.
//
// It keeps at most [Most] keys. A key whose bucket is full says nothing, and is forgotten first when there is no more room. Then those go
// that have used the fewest requests of their limit, to within a factor of two. What is forgotten has its whole limit again. So whoever
// wants to be let in early, after k requests, must have some 65,000 other keys use k requests or more each; for a limit by
// address, that is as many networks. A flood of new addresses with a request or two each pushes out only its own kind, and keys with
// nothing much to gain. Which keys share a shard is secret.
type Memory struct {
	seeds  [3]maphash.Seed
	shards [shardCount]shard
}

// shard has some of the keys, in lists by their hash. It is no map of Go's: one whose keys come and go keeps growing, and ten million
// keys made it ten times as large and slow.
type shard struct {
	mu    sync.Mutex
	heads []place // the first slot of each list; nil before the first key
	slots []slot  // grows up to shardMost
	free  place   // the first of the slots that are not in use
	used  int
	_     [48]byte // so that two locks do not share a cache line
}

// place is the index of a slot plus one; 0 is none.
type place uint16

// slot is a key with its count. The interval is 0 in one that is not in use.
type slot struct {
	key Key
	// full is when the bucket is full again, interval that of the limit's rate.
	full, interval int64
	next           place
	ranked         uint8 // for makeRoom
}

// NewMemory returns a Memory without keys.
func NewMemory() *Memory {
	return &Memory{seeds: [3]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()}}
}

// Hash returns numbers for a key that stand for text. Two texts of one hash are as likely as with 128 random bits.
func (m *Memory) Hash(text string) (high, low uint64) {
	return maphash.String(m.seeds[0], text), maphash.String(m.seeds[1], text)
}

// Take counts a request of key at the time now if the rate lets it through, and returns how the key stands then. Now is in nanoseconds
// since any moment, the same for all calls. All calls with one key.Limit have the same rate.
func (m *Memory) Take(now time.Duration, key Key, rate Rate) State {
	s, list := m.find(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.get(list, key)
	var before int64
	if known != nil {
		before = known.full
	}
	after, refused := rate.take(before, int64(now))
	if !refused {
		if known == nil {
			known = s.add(list, key, int64(now))
			known.interval = rate.interval
		}
		known.full = after
	}
	return rate.State(time.Duration(after-int64(now)), refused)
}

// Return takes back a request that [Memory.Take] has counted, because another limit refuses it, and returns how the key stands then.
func (m *Memory) Return(now time.Duration, key Key, rate Rate) State {
	s, list := m.find(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.get(list, key)
	if known == nil {
		return rate.State(0, false)
	}
	known.full -= rate.interval
	return rate.State(time.Duration(max(known.full-int64(now), 0)), false)
}

// Len returns how many keys are kept.
func (m *Memory) Len() (n int) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += s.used
		s.mu.Unlock()
	}
	return n
}

// find returns the shard of a key, and its list there.
func (m *Memory) find(key Key) (s *shard, list int) {
	var b [20]byte
	binary.LittleEndian.PutUint32(b[:], key.Limit)
	binary.LittleEndian.PutUint64(b[4:], key.High)
	binary.LittleEndian.PutUint64(b[12:], key.Low)
	h := maphash.Bytes(m.seeds[2], b[:])
	return &m.shards[h%shardCount], int(h / shardCount % shardMost)
}

// get returns the slot of a key in a list, nil without one.
func (s *shard) get(list int, key Key) *slot {
	if s.heads == nil {
		return nil
	}
	for at := s.heads[list]; at != 0; {
		found := &s.slots[at-1]
		if found.key == key {
			return found
		}
		at = found.next
	}
	return nil
}

// add puts a key into a list, and returns its slot. If all slots are in use, it makes room first.
func (s *shard) add(list int, key Key, now int64) *slot {
	if s.heads == nil {
		s.heads = make([]place, shardMost)
	}
	if s.used == shardMost {
		s.makeRoom(now)
	}
	at := s.free
	if at == 0 {
		s.slots = append(s.slots, slot{})
		at = place(len(s.slots))
	} else {
		s.free = s.slots[at-1].next
	}
	added := &s.slots[at-1]
	*added = slot{key: key, next: s.heads[list]}
	s.heads[list] = at
	s.used++
	return added
}

// ranks are the values of [slot.rank]: a limit has at most 1,000,000 requests, so four times as many have 22 bits.
const ranks = 32

// rank is 0 for a bucket that is full, and grows with the logarithm of the requests used, counted in quarters.
func (c *slot) rank(now int64) uint8 {
	ahead := c.full - now
	if ahead <= 0 {
		return 0
	}
	return uint8(min(1+bits.Len64(uint64(ahead)*4/uint64(c.interval)), ranks-1))
}

// makeRoom forgets all keys whose buckets are full, and of the others those of the lowest ranks, until it has forgotten roomMade.
func (s *shard) makeRoom(now int64) {
	var kept [ranks]int
	for i := range s.slots {
		c := &s.slots[i]
		c.ranked = c.rank(now)
		kept[c.ranked]++
	}
	quota := [ranks]int{0: kept[0]} // of each rank, how many are forgotten
	for rank, left := 1, roomMade-kept[0]; left > 0 && rank < ranks; rank++ {
		quota[rank] = min(kept[rank], left)
		left -= quota[rank]
	}
	for list := range s.heads {
		for from := &s.heads[list]; *from != 0; {
			at := *from
			c := &s.slots[at-1]
			if quota[c.ranked] == 0 {
				from = &c.next
				continue
			}
			quota[c.ranked]--
			*from = c.next
			*c = slot{next: s.free}
			s.free = at
			s.used--
		}
	}
}
