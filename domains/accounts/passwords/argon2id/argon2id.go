// Package argon2id computes the password hash argon2id (RFC 9106) on the goroutine that calls it.
//
// The package golang.org/x/crypto/argon2 starts goroutines, also for one lane. They leave the thread of the work pool, whose priority is lowered,
// and then every other request waits for hashes; the record of that decision has the figures. The tests compare the two packages.
package argon2id

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"golang.org/x/crypto/blake2b"
)

// Version is the version of the algorithm, 1.3.
const Version = 0x13

const (
	kind   = 2   // argon2id
	words  = 128 // of a block of 1 KiB
	slices = 4   // of a lane; what lies in one slice depends on no other lane's blocks of it
	half   = 32  // of a hash, in bytes
)

type block [words]uint64

// scratch keeps the memory of hashes for the next one, cleared. The garbage collector takes what is not used for a while.
var scratch sync.Pool //nolint:gochecknoglobals // it holds nothing that anybody could tell apart

// Key returns the hash of a password, size bytes long. Memory is in KiB. Lanes are computed one after the other. It panics unless passes, lanes and
// size are at least 1, as the package of x/crypto does for the first two.
func Key(password, salt []byte, passes, memory uint32, lanes uint8, size uint32) []byte {
	if passes < 1 || lanes < 1 || size < 1 {
		panic("argon2id: passes, lanes and size must be at least 1")
	}
	h := hash{passes: passes, lanes: uint32(lanes)}
	h.segment = max(memory/(slices*h.lanes), 2) //nolint:mnd // RFC 9106 has at least 8 blocks in a lane
	h.lane = slices * h.segment
	count := int(h.lane * h.lanes)
	kept, _ := scratch.Get().(*[]block)
	if kept == nil || cap(*kept) < count {
		kept = new(make([]block, count))
	}
	h.blocks = (*kept)[:count]
	h.start(seed(password, salt, passes, memory, h.lanes, size))
	h.fill()
	key := h.finish(size)
	clear(h.blocks)
	scratch.Put(kept)
	return key
}

// hash is the state of one computation. A lane is a row of blocks, segment is its part that lies in one slice.
type hash struct {
	blocks                 []block
	passes, lanes          uint32
	lane, segment          uint32
	input, addresses, zero block
}

// seed returns H0, section 3.2, with room for the eight bytes that follow it in the hash of a block.
func seed(password, salt []byte, passes, memory, lanes, size uint32) []byte {
	all := make([]byte, 0, 10*4+len(password)+len(salt)) //nolint:mnd // ten numbers
	for _, n := range []uint32{lanes, size, memory, passes, Version, kind} {
		all = binary.LittleEndian.AppendUint32(all, n)
	}
	for _, text := range [][]byte{password, salt, nil, nil} { // no secret, no associated data
		all = binary.LittleEndian.AppendUint32(all, uint32(len(text)))
		all = append(all, text...)
	}
	sum := blake2b.Sum512(all)
	return append(make([]byte, 0, blake2b.Size+2*4), sum[:]...)
}

// start computes the first two blocks of each lane.
func (h *hash) start(seed []byte) {
	for lane := range h.lanes {
		for i := range uint32(2) {
			text := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(seed, i), lane)
			bytes := long(text, words*8)
			for k := range words {
				h.blocks[lane*h.lane+i][k] = binary.LittleEndian.Uint64(bytes[8*k:])
			}
		}
	}
}

// long is the hash H' of any length, section 3.3.
func long(text []byte, size uint32) []byte {
	text = append(binary.LittleEndian.AppendUint32(nil, size), text...)
	var out []byte
	for size > blake2b.Size {
		sum := blake2b.Sum512(text)
		out, size = append(out, sum[:half]...), size-half
		text = sum[:]
	}
	last, err := blake2b.New(int(size), nil)
	if err != nil {
		panic(err) // the size is from 1 to 64
	}
	_, _ = last.Write(text) // a hash takes everything
	return last.Sum(out)
}

func (h *hash) fill() {
	for pass := range h.passes {
		for slice := range uint32(slices) {
			for lane := range h.lanes {
				h.fillSegment(pass, slice, lane)
			}
		}
	}
}

// fillSegment computes the blocks of one lane in one slice. In the first half of the first pass the addresses of blocks depend on nothing secret; later
// on they are read from the block before, section 3.4.1.
func (h *hash) fillSegment(pass, slice, lane uint32) {
	public := pass == 0 && slice < slices/2
	if public {
		h.input = block{uint64(pass), uint64(lane), uint64(slice), uint64(len(h.blocks)), uint64(h.passes), kind}
	}
	first := uint32(0)
	if pass == 0 && slice == 0 {
		first = 2 // which start has computed
	}
	for i := first; i < h.segment; i++ {
		column := slice*h.segment + i
		before := lane*h.lane + (column+h.lane-1)%h.lane
		random := h.blocks[before][0]
		if public {
			if i == first || i%words == 0 {
				h.nextAddresses()
			}
			random = h.addresses[i%words]
		}
		compress(&h.blocks[lane*h.lane+column], &h.blocks[before], &h.blocks[h.reference(random, pass, slice, lane, i)])
	}
}

// nextAddresses computes 128 further addresses that depend on nothing secret, section 3.4.1.2.
func (h *hash) nextAddresses() {
	const counter = 6
	h.input[counter]++
	var once block
	compress(&once, &h.zero, &h.input)
	h.addresses = block{}
	compress(&h.addresses, &h.zero, &once)
}

// reference maps a random number to the block that the i-th of a segment is made from beside the one before it, section 3.4.2.
func (h *hash) reference(random uint64, pass, slice, lane, i uint32) uint32 {
	from := uint32(random>>32) % h.lanes //nolint:mnd // the upper half
	if pass == 0 && slice == 0 {
		from = lane
	}
	area, begin := (slices-1)*h.segment, (slice+1)%slices*h.segment // the three segments before this one
	if pass == 0 {
		area, begin = slice*h.segment, 0
	}
	switch {
	case from == lane:
		area += i - 1 // and those of this one, but for the block before
	case i == 0:
		area--
	}
	x := uint64(uint32(random))
	x = x * x >> 32             //nolint:mnd // by the RFC
	y := uint64(area) * x >> 32 //nolint:mnd // by the RFC
	z := uint32(uint64(area) - 1 - y)
	return from*h.lane + (begin+z)%h.lane
}

// finish returns the hash of the last blocks of all lanes.
func (h *hash) finish(size uint32) []byte {
	var sum block
	for lane := range h.lanes {
		for k, v := range h.blocks[lane*h.lane+h.lane-1] {
			sum[k] ^= v
		}
	}
	bytes := make([]byte, 0, words*8)
	for _, v := range sum {
		bytes = binary.LittleEndian.AppendUint64(bytes, v)
	}
	return long(bytes, size)
}

// compress adds G(x, y) to a block, section 3.5. Blocks are zero at first.
func compress(into, x, y *block) {
	var r block
	for k := range r {
		r[k] = x[k] ^ y[k]
		into[k] ^= r[k]
	}
	for i := range 8 {
		permute(&r, 16*i, 2) //nolint:mnd // the rows
	}
	for i := range 8 {
		permute(&r, 2*i, 16) //nolint:mnd // the columns
	}
	for k := range r {
		into[k] ^= r[k]
	}
}

// permute is P, section 3.6, on eight pairs of words that begin at first and lie step apart: a round of BLAKE2b with multiplications.
func permute(r *block, first, step int) {
	a, b, c, d := first, first+2*step, first+4*step, first+6*step //nolint:mnd // two pairs each
	v0, v1, v2, v3 := r[a], r[a+1], r[a+step], r[a+step+1]
	v4, v5, v6, v7 := r[b], r[b+1], r[b+step], r[b+step+1]
	v8, v9, v10, v11 := r[c], r[c+1], r[c+step], r[c+step+1]
	v12, v13, v14, v15 := r[d], r[d+1], r[d+step], r[d+step+1]

	v0, v4, v8, v12 = mix(v0, v4, v8, v12, 32, 24)
	v1, v5, v9, v13 = mix(v1, v5, v9, v13, 32, 24)
	v2, v6, v10, v14 = mix(v2, v6, v10, v14, 32, 24)
	v3, v7, v11, v15 = mix(v3, v7, v11, v15, 32, 24)
	v0, v4, v8, v12 = mix(v0, v4, v8, v12, 16, 63)
	v1, v5, v9, v13 = mix(v1, v5, v9, v13, 16, 63)
	v2, v6, v10, v14 = mix(v2, v6, v10, v14, 16, 63)
	v3, v7, v11, v15 = mix(v3, v7, v11, v15, 16, 63)

	v0, v5, v10, v15 = mix(v0, v5, v10, v15, 32, 24)
	v1, v6, v11, v12 = mix(v1, v6, v11, v12, 32, 24)
	v2, v7, v8, v13 = mix(v2, v7, v8, v13, 32, 24)
	v3, v4, v9, v14 = mix(v3, v4, v9, v14, 32, 24)
	v0, v5, v10, v15 = mix(v0, v5, v10, v15, 16, 63)
	v1, v6, v11, v12 = mix(v1, v6, v11, v12, 16, 63)
	v2, v7, v8, v13 = mix(v2, v7, v8, v13, 16, 63)
	v3, v4, v9, v14 = mix(v3, v4, v9, v14, 16, 63)

	r[a], r[a+1], r[a+step], r[a+step+1] = v0, v1, v2, v3
	r[b], r[b+1], r[b+step], r[b+step+1] = v4, v5, v6, v7
	r[c], r[c+1], r[c+step], r[c+step+1] = v8, v9, v10, v11
	r[d], r[d+1], r[d+step], r[d+step+1] = v12, v13, v14, v15
}

// mix is half of GB, section 3.6: additions, multiplications of the lower halves, and rotations to the right.
func mix(a, b, c, d uint64, first, second int) (_, _, _, _ uint64) {
	a += b + 2*uint64(uint32(a))*uint64(uint32(b))
	d = bits.RotateLeft64(d^a, -first)
	c += d + 2*uint64(uint32(c))*uint64(uint32(d))
	b = bits.RotateLeft64(b^c, -second)
	return a, b, c, d
}
