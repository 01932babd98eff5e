package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// probeTables is the content of the harness service's database.
type probeTables struct {
	writes  map[string]probeRow
	effects []probeEffect
	// events are the tokens of the stored events probe.written, by event id.
	events map[string]string
	// dead counts the deliveries that are dead.
	dead int
}

// probeRow is a row of probe_writes.
type probeRow struct {
	lane   string
	number int64
	poison bool
}

// probeEffect is a row of probe_effects.
type probeEffect struct {
	subscription, event, token, lane string
	number                           int64
}

// once are the subscriptions whose effect must happen once. That of plain may be repeated.
var once = []string{"completing", "transactional", "flaky", "doomed", "follow"} //nolint:gochecknoglobals // a constant

func readProbe(ctx context.Context, s *store) (*probeTables, error) {
	t := &probeTables{writes: make(map[string]probeRow), events: make(map[string]string)}
	err := s.rows(ctx, `SELECT token, lane, number, poison FROM probe_writes`, func(r *sql.Rows) error {
		var token string
		var w probeRow
		err := r.Scan(&token, &w.lane, &w.number, &w.poison)
		t.writes[token] = w
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.rows(ctx, `SELECT subscription, event_id, token, lane, number FROM probe_effects ORDER BY id`, func(r *sql.Rows) error {
		var e probeEffect
		err := r.Scan(&e.subscription, &e.event, &e.token, &e.lane, &e.number)
		t.effects = append(t.effects, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.rows(ctx, `SELECT id, payload FROM bus_events WHERE topic = 'probe.written'`, func(r *sql.Rows) error {
		var id, payload string
		var written struct {
			Token string `json:"token"`
		}
		if err := r.Scan(&id, &payload); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(payload), &written); err != nil {
			return fmt.Errorf("read event %s: %w", id, err)
		}
		t.events[id] = written.Token
		return nil
	})
	if err != nil {
		return nil, err
	}
	t.dead, err = s.count(ctx, `SELECT COUNT(*) FROM bus_deliveries WHERE state = 'dead'`)
	return t, err
}

// judge compares the tables with the knowledge of the clients, after all events have been handled and the dead ones
// replayed.
func (t *probeTables) judge(r *report, acked, undone map[string]bool) {
	for token := range acked {
		if _, ok := t.writes[token]; !ok {
			r.violate(lost, "%s was acked and is not stored", token)
		}
	}
	for token := range undone {
		if _, ok := t.writes[token]; ok {
			r.violate(revived, "%s was rolled back and is stored", token)
		}
	}
	t.judgeEvents(r)
	repeats := t.judgeEffects(r)
	t.judgeDeadLetters(r)
	t.judgeOrder(r)
	r.figure("writes acked / stored", fmt.Sprintf("%d / %d", len(acked), len(t.writes)))
	r.figure("rolled back on purpose", len(undone))
	r.figure("effects", len(t.effects))
	r.figure("repeated by the plain subscriber", repeats)
}

// judgeEvents: an event exists if and only if its transaction committed.
func (t *probeTables) judgeEvents(r *report) {
	seen := make(map[string]bool, len(t.events))
	for id, token := range t.events {
		if _, ok := t.writes[token]; !ok {
			r.violate(torn, "event %s of %s exists without its write", id, token)
		}
		if seen[token] {
			r.violate(torn, "%s has two events", token)
		}
		seen[token] = true
	}
	for token := range t.writes {
		if !seen[token] {
			r.violate(torn, "%s is stored and has no event", token)
		}
	}
}

// judgeEffects: every write reaches every subscription, once where that is promised. It returns how often the plain
// subscriber was called again.
func (t *probeTables) judgeEffects(r *report) (repeats int) {
	count := make(map[string]map[string]int)
	for _, e := range t.effects {
		if e.subscription == "deadletter" {
			continue
		}
		if count[e.subscription] == nil {
			count[e.subscription] = make(map[string]int)
		}
		count[e.subscription][e.token]++
		if _, ok := t.writes[e.token]; !ok {
			r.violate(phantom, "%s was delivered to %s and is not stored", e.token, e.subscription)
		}
	}
	for token := range t.writes {
		for _, subscription := range append([]string{"plain"}, once...) {
			switch n := count[subscription][token]; {
			case n == 0:
				r.violate(undelivered, "%s is stored and never reached %s", token, subscription)
			case n > 1 && subscription == "plain":
				repeats += n - 1
			case n > 1:
				r.violate(repeated, "%s took effect %d times in %s", token, n, subscription)
			}
		}
	}
	return repeats
}

// judgeDeadLetters: each delivery that died was announced once, and no other; replayed, none is dead.
func (t *probeTables) judgeDeadLetters(r *report) {
	announced := make(map[string]int)
	for _, e := range t.effects {
		if e.subscription == "deadletter" {
			announced[e.event]++
		}
	}
	for id, token := range t.events {
		want := 0
		if t.writes[token].poison {
			want = 1
		}
		if announced[id] != want {
			r.violate(deadLetters, "the death of %s was announced %d times, want %d", token, announced[id], want)
		}
	}
	if t.dead > 0 {
		r.violate(deadLetters, "%d deliveries are dead after the replay", t.dead)
	}
}

// judgeOrder: the numbers of a lane are gapless, and each subscription saw them in order. A delivery that died was
// skipped and came after its replay; one that came again counts when it came first.
func (t *probeTables) judgeOrder(r *report) {
	highest := make(map[string]int64)
	inLane := make(map[string]int64)
	for _, w := range t.writes {
		if w.lane != "" {
			inLane[w.lane]++
			highest[w.lane] = max(highest[w.lane], w.number)
		}
	}
	for _, lane := range slices.Sorted(maps.Keys(inLane)) {
		if inLane[lane] != highest[lane] {
			r.violate(lost, "%s has %d writes, the last of which has number %d", lane, inLane[lane], highest[lane])
		}
	}
	type place struct{ subscription, lane string }
	last := make(map[place]int64)
	seen := make(map[probeEffect]bool, len(t.effects))
	for _, e := range t.effects {
		first := probeEffect{subscription: e.subscription, token: e.token}
		if e.lane == "" || seen[first] || e.subscription == "doomed" && t.writes[e.token].poison {
			continue
		}
		seen[first] = true
		p := place{e.subscription, e.lane}
		if e.number < last[p] {
			r.violate(disorder, "%s handled number %d of %s after %d", e.subscription, e.number, e.lane, last[p])
		}
		last[p] = max(last[p], e.number)
	}
}
