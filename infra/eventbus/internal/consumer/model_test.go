package consumer

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"plugboard/infra/eventbus/internal/message"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A publisher queued its delivery behind one that the claimer had adopted and then could not claim. The consumer forgot both, and
// the key stood still as long as the process lived. This test tries all orders of the steps that can happen to a key.
func TestNoScheduleLosesADelivery(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range 3 {
			t.Repeat(w.actions())
		}
		w.drain()
	})
}

// A consumer that closes gives all its deliveries back, and later deliveries go to storage.
func TestNoScheduleLeavesAClaimBehindAClose(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(w.actions())
		w.release(w.consumer.Close()...)
		w.land()
		for _, d := range slices.Clone(w.running) {
			w.settle(d, true)
		}
		w.sweep()
		for _, r := range w.rows {
			if r.state == "mine" {
				t.Fatalf("%s is claimed by a process that has closed", r)
			}
		}
	})
}

// row is a delivery in storage: "pending", "mine", "other" (another replica's) or "done".
type row struct {
	key   string
	seq   int64
	token int64
	state string
}

func (r *row) String() string { return fmt.Sprintf("%s%d (%s)", r.key, r.seq, r.state) }

// flight is a publisher's transaction, or a claimer's claim, that has not ended.
type flight struct {
	rows  []*row
	order *KeyState
	// ended is the end of the publisher's transaction: "committed" or "rolled back"; "" before the end.
	ended string
}

// world is one consumer, its storage, and another replica at the same storage.
type world struct {
	t        *rapid.T
	consumer *Consumer
	rows     []*row
	// publishing and claiming are in flight. held has the deliveries that deliver has handed to the consumer and nobody has settled.
	publishing, claiming []*flight
	running              []*Item
	held                 map[*Item]*row
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, held: make(map[*Item]*row)}
	w.consumer = New(&message.Subscription{Name: "s"}, nil, Options{Capacity: 1000, OwnerRuns: true})
	w.consumer.Start(context.Background())
	for _, key := range keysOfWorld { // deliveries that an earlier run has left
		w.rows = append(w.rows, &row{key: key, seq: 1, state: "pending"})
	}
	return w
}

var keysOfWorld = []string{"a", "b"}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"publish":          func(*rapid.T) { w.publish(w.key()) },
		"publish at once":  func(*rapid.T) { w.publishAtOnce(w.key()) },
		"commit":           func(*rapid.T) { w.end(w.flying(w.publishing, ""), "committed") },
		"roll back":        func(*rapid.T) { w.end(w.flying(w.publishing, ""), "rolled back") },
		"lose a commit":    func(*rapid.T) { w.loseCommit(w.flying(w.publishing, "")) },
		"hand over":        func(*rapid.T) { w.hand(w.flying(w.publishing, "committed")) },
		"unclaim":          func(*rapid.T) { w.unclaim(w.flying(w.publishing, "rolled back")) },
		"adopt":            func(*rapid.T) { w.adopt(w.key(), rapid.IntRange(1, 3).Draw(w.t, "run")) },
		"claim":            func(*rapid.T) { w.claim(w.flying(w.claiming, ""), false) },
		"claim and fail":   func(*rapid.T) { w.unadopt(w.flying(w.claiming, "")) },
		"claim and lose":   func(*rapid.T) { w.claim(w.flying(w.claiming, ""), true) },
		"another claims":   func(*rapid.T) { w.anotherClaims(w.key()) },
		"another finishes": func(*rapid.T) { w.others("done", 0) },
		"another dies":     func(*rapid.T) { w.others("pending", 1) },
		"run":              func(*rapid.T) { w.run() },
		"settle":           func(*rapid.T) { w.settleOne(true) },
		"fail":             func(*rapid.T) { w.settleOne(false) },
		"taken over":       func(*rapid.T) { w.takenOver() },
		"sweep":            func(*rapid.T) { w.sweep() },
		"":                 func(*rapid.T) { w.check() },
	}
}

func (w *world) key() string { return rapid.SampledFrom(keysOfWorld).Draw(w.t, "key") }

// flying draws a flight whose transaction has this end. Without one, it skips the step.
func (w *world) flying(from []*flight, ended string) *flight {
	var some []*flight
	for _, f := range from {
		if f.ended == ended {
			some = append(some, f)
		}
	}
	if len(some) == 0 {
		w.t.Skip("none")
	}
	return rapid.SampledFrom(some).Draw(w.t, "flight")
}

// open returns the unfinished rows of key, first ones first.
func (w *world) open(key string) (rows []*row) {
	for _, r := range w.rows {
		if r.key == key && r.state != "done" {
			rows = append(rows, r)
		}
	}
	return rows
}

// publish takes the key's next number, unless a transaction that has not ended holds it.
func (w *world) publish(key string) {
	seq := int64(1)
	for _, f := range w.publishing {
		if f.ended == "" && f.rows[0].key == key {
			w.t.Skip("the number is locked")
		}
	}
	for _, r := range w.rows {
		if r.key == key {
			seq = r.seq + 1
		}
	}
	f := &flight{rows: []*row{{key: key, seq: seq, state: "pending"}}, order: w.consumer.ClaimKey(key, seq, seq == 1)}
	if f.order != nil {
		f.rows[0].state, f.rows[0].token = "mine", 1
	}
	w.publishing = append(w.publishing, f)
}

func (w *world) publishAtOnce(key string) {
	w.publish(key)
	f := w.publishing[len(w.publishing)-1]
	if w.end(f, "committed"); f.order != nil {
		w.hand(f)
	}
}

func (w *world) end(f *flight, how string) {
	f.ended = how
	if how == "committed" {
		w.rows = append(w.rows, f.rows[0])
	}
	if f.order == nil {
		w.landed(f)
	}
}

// loseCommit makes the publisher believe that a committed transaction was rolled back.
func (w *world) loseCommit(f *flight) {
	w.end(f, "committed")
	f.ended = "rolled back"
}

func (w *world) landed(f *flight) {
	is := func(x *flight) bool { return x == f }
	w.publishing, w.claiming = slices.DeleteFunc(w.publishing, is), slices.DeleteFunc(w.claiming, is)
}

func (w *world) hand(f *flight) {
	w.deliver(f.rows[0], f.order, 1)
	w.landed(f)
}

func (w *world) unclaim(f *flight) {
	w.release(w.consumer.UnclaimKey(f.rows[0].key, f.order, f.rows[0].seq)...)
	w.landed(f)
}

func (w *world) deliver(r *row, order *KeyState, token int64) {
	d := w.consumer.NewItem(&message.Message{Envelope: &message.Envelope{}, Key: r.key}, 1, r.seq, order)
	d.Claim.Token = token
	w.held[d] = r
	if !w.consumer.Push(d) {
		w.release(d)
	}
}

// release gives deliveries back to storage if they are still this process's.
func (w *world) release(deliveries ...*Item) {
	for _, d := range deliveries {
		if r := w.held[d]; w.owns(d) {
			r.state = "pending"
		}
		delete(w.held, d)
	}
}

func (w *world) owns(d *Item) bool {
	r := w.held[d]
	return r != nil && r.state == "mine" && r.token == d.Claim.Token
}

// adopt begins to claim up to n rows of key. For several rows the transaction locks them. A single row is not locked, and another replica
// may claim it before this claim ends.
func (w *world) adopt(key string, n int) {
	rows := w.open(key)
	if len(rows) == 0 || rows[0].state != "pending" {
		w.t.Skip("none is due")
	}
	run := rows[:1]
	for len(run) < n && len(run) < len(rows) && rows[len(run)].state == "pending" {
		run = rows[:len(run)+1]
	}
	order := w.consumer.Adopt(key, run[0].seq, run[len(run)-1].seq)
	if order == nil {
		w.t.Skip("at work")
	}
	w.claiming = append(w.claiming, &flight{rows: slices.Clone(run), order: order})
}

// claim ends a claim. When its answer is lost, the claimer does not know that it has succeeded.
func (w *world) claim(f *flight, lost bool) {
	if f.rows[0].state != "pending" {
		w.unadopt(f)
		return
	}
	for _, r := range f.rows {
		r.state = "mine"
		r.token++
	}
	if lost {
		w.unadopt(f)
		return
	}
	for _, r := range f.rows {
		w.deliver(r, f.order, r.token)
	}
	w.landed(f)
}

func (w *world) unadopt(f *flight) {
	w.release(w.consumer.Forget(f.rows[0].key, f.order)...)
	w.landed(f)
}

func (w *world) anotherClaims(key string) {
	rows := w.open(key)
	locked := func(f *flight) bool { return len(f.rows) > 1 && f.rows[0].key == key }
	if len(rows) == 0 || rows[0].state != "pending" || slices.ContainsFunc(w.claiming, locked) {
		w.t.Skip("none is due")
	}
	rows[0].state = "other"
	rows[0].token++
}

func (w *world) others(state string, token int64) {
	for _, r := range w.rows {
		if r.state == "other" {
			r.state = state
			r.token += token
		}
	}
}

func (w *world) run() {
	d := w.consumer.Pull()
	if d == nil {
		w.t.Skip("none is ready")
	}
	w.running = append(w.running, d)
}

func (w *world) settleOne(ok bool) {
	if len(w.running) == 0 {
		w.t.Skip("none runs")
	}
	w.settle(rapid.SampledFrom(w.running).Draw(w.t, "running"), ok)
}

func (w *world) settle(d *Item, ok bool) {
	w.running = slices.DeleteFunc(w.running, func(x *Item) bool { return x == d })
	r := w.held[d]
	if !ok {
		w.release(append(w.consumer.Drop(d), d)...)
		return
	}
	w.consumer.Advance(d)
	if w.owns(d) {
		if first := w.open(d.Key)[0]; first != r {
			w.t.Fatalf("%s is handled before %s", r, first)
		}
		r.state = "done"
	}
	delete(w.held, d)
}

// takenOver makes another replica take over from this process: the claims become pending again, and this process gives its deliveries
// back.
func (w *world) takenOver() {
	for _, r := range w.rows {
		if r.state == "mine" {
			r.state = "pending"
			r.token++
		}
	}
	w.release(w.consumer.Recall()...)
}

// sweep gives back the claims that this process does not know.
func (w *world) sweep() {
	known := make(map[*row]bool)
	for _, r := range w.held {
		known[r] = true
	}
	for _, f := range append(slices.Clone(w.publishing), w.claiming...) {
		if f.ended == "committed" {
			known[f.rows[0]] = true
		}
	}
	for _, r := range w.rows {
		if r.state == "mine" && !known[r] {
			r.state = "pending"
		}
	}
}

// check finds lost deliveries: this process has claimed them in storage, but no one in memory will run them.
func (w *world) check() {
	runs := make(map[*Item]struct{})
	w.consumer.Held(runs)
	for _, d := range w.running {
		runs[d] = struct{}{}
	}
	for d, r := range w.held {
		if _, ok := runs[d]; !ok && w.owns(d) {
			w.t.Fatalf("%s is lost", r)
		}
	}
}

// land ends all flights.
func (w *world) land() {
	for _, f := range slices.Clone(w.claiming) {
		w.claim(f, false)
	}
	for _, f := range slices.Clone(w.publishing) {
		if f.ended == "" {
			w.end(f, "committed")
		}
	}
	for _, f := range slices.Clone(w.publishing) {
		if f.ended == "committed" {
			w.hand(f)
		} else {
			w.unclaim(f)
		}
	}
}

// drain makes this process handle all deliveries.
func (w *world) drain() {
	w.others("pending", 1)
	for range 3*len(w.rows) + 3*len(w.publishing) + 3 {
		w.land()
		w.sweep()
		for _, key := range keysOfWorld {
			if rows := w.open(key); len(rows) > 0 && rows[0].state == "pending" {
				if order := w.consumer.Adopt(key, rows[0].seq, rows[0].seq); order != nil {
					w.claim(&flight{rows: rows[:1], order: order}, false)
				}
			}
		}
		for d := w.consumer.Pull(); d != nil; d = w.consumer.Pull() {
			w.running = append(w.running, d)
		}
		for _, d := range slices.Clone(w.running) {
			w.settle(d, true)
		}
		w.check()
	}
	for _, key := range keysOfWorld {
		require.Empty(w.t, w.open(key), "the key stands still")
	}
}
