package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
)

// productTables is the content of the released binary's database.
type productTables struct {
	// prices are the stored products' by id.
	prices map[int64]float64
	// events are all stored ones, by topic, in order.
	events map[string][]productEvent
	// notified lists the notifications, audited the audit entries by topic; audited is nil without that domain.
	notified []productEffect
	audited  map[string][]productEffect
	dead     int
}

type productEvent struct {
	id    string
	key   string
	seq   int64
	about int64
	price float64
}

// productEffect is a row that a subscriber stored about a product.
type productEffect struct {
	event string
	about int64
}

func readProducts(ctx context.Context, s *store) (*productTables, error) {
	t := &productTables{prices: make(map[int64]float64), events: make(map[string][]productEvent)}
	err := s.rows(ctx, `SELECT id, price FROM products`, func(r *sql.Rows) error {
		var id int64
		var price float64
		err := r.Scan(&id, &price)
		t.prices[id] = price
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := t.readEvents(ctx, s); err != nil {
		return nil, err
	}
	err = s.rows(ctx, `SELECT event_id, product_id FROM notifications ORDER BY id`, func(r *sql.Rows) error {
		var e productEffect
		err := r.Scan(&e.event, &e.about)
		t.notified = append(t.notified, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.has(ctx, "audit_entries") {
		t.audited = make(map[string][]productEffect)
		err = s.rows(ctx, `SELECT topic, event_id, product_id FROM audit_entries ORDER BY id`, func(r *sql.Rows) error {
			var topic string
			var e productEffect
			err := r.Scan(&topic, &e.event, &e.about)
			t.audited[topic] = append(t.audited[topic], e)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	t.dead, err = s.count(ctx, `SELECT COUNT(*) FROM bus_deliveries WHERE state = 'dead'`)
	return t, err
}

func (t *productTables) readEvents(ctx context.Context, s *store) error {
	return s.rows(ctx, `SELECT id, topic, key, seq, payload FROM bus_events ORDER BY key, seq, id`, func(r *sql.Rows) error {
		var e productEvent
		var topic, payload string
		if err := r.Scan(&e.id, &topic, &e.key, &e.seq, &payload); err != nil {
			return err
		}
		var about struct {
			ID        int64   `json:"id"`
			ProductID int64   `json:"product_id"`
			Price     float64 `json:"price"`
		}
		if err := json.Unmarshal([]byte(payload), &about); err != nil {
			return fmt.Errorf("read event %s: %w", e.id, err)
		}
		e.about, e.price = about.ID, about.Price
		if about.ProductID != 0 {
			e.about = about.ProductID
		}
		t.events[topic] = append(t.events[topic], e)
		return nil
	})
}

// judge compares the tables with the knowledge of the clients, after all events have been handled.
func (t *productTables) judge(r *report, known productFacts) {
	t.judgeWrites(r, known)
	t.judgeEvents(r)
	t.judgeEffects(r, "notifications", "product.created", t.notified)
	if t.audited != nil {
		for _, topic := range []string{"product.created", "product.updated", "product.deleted", "notification.stored"} {
			t.judgeEffects(r, "audit", topic, t.audited[topic])
		}
		t.judgeOrder(r)
	}
	if t.dead > 0 {
		r.violate(deadLetters, "%d deliveries are dead", t.dead)
	}
	events, changes := 0, 0
	for _, of := range t.events {
		events += len(of)
	}
	for _, prices := range known.changed {
		changes += len(prices)
	}
	r.figure("created / changed / deleted, acked", fmt.Sprintf("%d / %d / %d", len(known.created), changes, len(known.deleted)))
	r.figure("rolled back on purpose", known.collided)
	r.figure("events stored", events)
	r.figure("effects", len(t.notified)+len(slices.Concat(t.audited["product.created"], t.audited["product.updated"],
		t.audited["product.deleted"], t.audited["notification.stored"])))
}

// judgeWrites: every acked write is stored, as a row or, when it was overwritten since, as the event of its transaction.
func (t *productTables) judgeWrites(r *report, known productFacts) {
	created, deleted := t.about("product.created"), t.about("product.deleted")
	for id := range known.created {
		if !created[id] {
			r.violate(lost, "product %d was created, acked, and is not stored", id)
		}
	}
	type change struct {
		id    int64
		price float64
	}
	changed := make(map[change]bool)
	for _, e := range t.events["product.updated"] {
		changed[change{e.about, e.price}] = true
	}
	for id, prices := range known.changed {
		for _, price := range prices {
			if !changed[change{id, price}] {
				r.violate(lost, "the price %v of product %d was acked and is not stored", price, id)
			}
		}
	}
	for id := range known.deleted {
		if _, still := t.prices[id]; still || !deleted[id] {
			r.violate(lost, "product %d was deleted, acked, and that is not stored", id)
		}
	}
	for _, name := range known.admitted {
		r.violate(revived, "the duplicate %s was accepted", name)
	}
}

func (t *productTables) about(topic string) map[int64]bool {
	ids := make(map[int64]bool)
	for _, e := range t.events[topic] {
		ids[e.about] = true
	}
	return ids
}

// judgeEvents: the products agree with their events.
func (t *productTables) judgeEvents(r *report) {
	deleted := t.about("product.deleted")
	price := make(map[int64]float64)
	for _, topic := range []string{"product.created", "product.updated"} { // the latter in the order of each key
		for _, e := range t.events[topic] {
			price[e.about] = e.price
		}
	}
	for id, stored := range t.prices {
		if want, ok := price[id]; !ok || want != stored || deleted[id] {
			r.violate(torn, "product %d is stored with price %v; its events say %v, deleted %v", id, stored, want, deleted[id])
		}
	}
	for id := range price {
		if _, stored := t.prices[id]; !stored && !deleted[id] {
			r.violate(torn, "product %d has events and is neither stored nor deleted", id)
		}
	}
}

// judgeEffects: each event of topic took effect once in a table.
func (t *productTables) judgeEffects(r *report, table, topic string, effects []productEffect) {
	count := make(map[string]int)
	for _, e := range effects {
		count[e.event]++
	}
	for _, e := range t.events[topic] {
		switch n := count[e.id]; {
		case n == 0:
			r.violate(undelivered, "event %s of %s never reached %s", e.id, topic, table)
		case n > 1:
			r.violate(repeated, "event %s of %s took effect %d times in %s", e.id, topic, n, table)
		}
		delete(count, e.id)
	}
	for id := range count {
		r.violate(phantom, "event %s of %s took effect in %s and is not stored", id, topic, table)
	}
}

// judgeOrder: the changes of a product are audited in their order.
func (t *productTables) judgeOrder(r *report) {
	number := make(map[string]productEvent)
	for _, e := range t.events["product.updated"] {
		number[e.id] = e
	}
	last := make(map[string]int64)
	for _, a := range t.audited["product.updated"] {
		e := number[a.event]
		if e.seq < last[e.key] {
			r.violate(disorder, "change %d of product %s was audited after change %d", e.seq, e.key, last[e.key])
		}
		last[e.key] = max(last[e.key], e.seq)
	}
}
