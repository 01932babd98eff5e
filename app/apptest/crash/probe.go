package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
)

// probeLedger is the workload of the harness service, and the clients' record of the answers.
type probeLedger struct {
	// holdMS is how long holdPercent of the events keep their completing subscriber.
	holdMS, holdPercent int
	// keys is how many keys the events have, poisonPercent how many kill a delivery.
	keys, poisonPercent int

	mu   sync.Mutex
	sent [clients]int
	// power is the power of the disk, as the clients know it.
	power power
	// acked are the writes that were answered with 201 while the power was on. undone are those that the transaction had
	// to roll back. late are those that were sent without power and yet answered with 201.
	acked, undone, late map[string]bool
}

// power is the state of the disk under the service, as the clients know it.
type power int

const (
	on power = iota
	// failing: the power is being cut. No client can get an answer from now on. A simulated cut may confirm a sync that
	// is under way; a real cut would end it.
	failing
	off
)

func newProbeLedger() *probeLedger {
	return &probeLedger{keys: lanes, poisonPercent: poisonPercent, acked: make(map[string]bool), undone: make(map[string]bool), late: make(map[string]bool)}
}

// probeWrite is the body of POST /writes.
type probeWrite struct {
	Token   string `json:"token"`
	Lane    string `json:"lane"`
	Fate    string `json:"fate,omitempty"`
	Poison  bool   `json:"poison,omitempty"`
	DelayMS int    `json:"delay_ms,omitempty"`
	HoldMS  int    `json:"hold_ms,omitempty"`
}

const (
	lanes = 12
	// percent is the base of the shares below.
	percent = 100
	// undonePercent of the transactions are rolled back, by an error, a panic or, half, to a savepoint.
	undonePercent = 10
	// poisonPercent of the events kill a delivery, delayPercent wait.
	poisonPercent, delayPercent = 4, 5
	// freePercent of the events have no key.
	freePercent = 25
)

// next implements workload.
func (l *probeLedger) next(rng *rand.Rand, client int) op {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[client]++
	w := probeWrite{Token: fmt.Sprintf("c%d-%d", client, l.sent[client])}
	if rng.IntN(percent) >= freePercent {
		w.Lane = fmt.Sprintf("lane-%d", rng.IntN(l.keys))
	}
	w.Poison = rng.IntN(percent) < l.poisonPercent
	if rng.IntN(percent) < delayPercent {
		w.DelayMS = 1 + rng.IntN(percent)
	}
	if rng.IntN(percent) < l.holdPercent {
		w.HoldMS = l.holdMS
	}
	if rng.IntN(percent) < undonePercent {
		w.Fate = []string{"error", "panic", "nested"}[rng.IntN(3)]
	}
	switch w.Fate {
	case "error", "panic":
		l.undone[w.Token] = true
	case "nested":
		l.undone[w.Token+"-inner"] = true
	}
	return l.request(w)
}

// request is called with l locked.
func (l *probeLedger) request(w probeWrite) op {
	body, err := json.Marshal(w)
	if err != nil {
		panic(err) // strings and numbers
	}
	before := l.power
	return op{method: http.MethodPost, path: "/writes", body: body, done: func(status int, _ []byte) {
		if status != http.StatusCreated {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case l.power == on:
			l.acked[w.Token] = true
		case before == off:
			l.late[w.Token] = true
		}
	}}
}

// set sets the power of the disk.
func (l *probeLedger) set(p power) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.power = p
}

// sentSoFar counts the requests.
func (l *probeLedger) sentSoFar() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, sent := range l.sent {
		n += sent
	}
	return n
}

// ackedLate returns the writes that were acked though there was no power when they were asked for.
func (l *probeLedger) ackedLate() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.late)
}

// ackedSoFar counts the acked writes.
func (l *probeLedger) ackedSoFar() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// known returns copies of the record.
func (l *probeLedger) known() (acked, undone map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acked), maps.Clone(l.undone)
}
