package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"plugboard/infra/eventbus/internal/message"

	"github.com/go-json-experiment/json"
)

// Events has the statements of stored events.
type Events struct{ Store }

// Sequence identifies the counter that numbers the events of one key.
type Sequence struct{ Topic, Key string }

// Compare orders sequences by the bytes of their topics and keys. Every transaction locks the rows of sequences in this order, so
// that no two transactions wait for each other (a deadlock).
func (s Sequence) Compare(other Sequence) int {
	return cmp.Or(cmp.Compare(s.Topic, other.Topic), cmp.Compare(s.Key, other.Key))
}

// TakeNumbers takes the next n numbers of topic and key. It returns the first number of the key's sequence, and the last of the n
// numbers. The numbers have no gaps: the transaction locks the sequence until it ends, and a rollback gives the numbers back.
//
// A new sequence begins above 65,536 times the database's time in milliseconds, and above the last number of every deleted
// sequence of the topic; a trigger keeps the highest of these in bus_floors. So the numbers of a key only grow, even when the clock
// was set back: a process may remember numbers of a sequence that was deleted since. TakeNumbers runs in a transaction.
func (s Events) TakeNumbers(ctx context.Context, topic, key string, n int) (first, last int64, err error) {
	found, err := s.QueryRow(ctx, []any{&first, &last},
		`INSERT INTO bus_sequences (topic, key, first, last, used_at)
		 SELECT CAST(? AS TEXT), CAST(? AS TEXT), low + 1, low + CAST(? AS BIGINT), {now}
		 FROM (SELECT {greatest}({now} * 65536, COALESCE((SELECT last FROM bus_floors WHERE topic = ?), 0)) AS low) begin WHERE TRUE
		 ON CONFLICT (topic, key) DO UPDATE SET last = bus_sequences.last + ?, used_at = excluded.used_at
		 RETURNING first, last`, topic, key, n, topic, n)
	if err == nil && !found {
		err = errors.New("take event number: no row returned")
	}
	return first, last, err
}

// NewDelivery is a delivery that Insert stores.
type NewDelivery struct {
	// Subscription is the name under which the delivery is stored.
	Subscription string
	// Claimed is true if the publishing process claims the delivery at once.
	Claimed bool
}

const insertEvent = `INSERT INTO bus_events
	(id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at, principal_id)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Insert stores an event and the given deliveries. On Postgres it adds a delivery for each other active subscription of the topic:
// only other versions of the service have these. On SQLite the caller gives all deliveries. Insert runs in a transaction; on Postgres
// the statement goes out with the commit.
func (s Events) Insert(ctx context.Context, owner string, m *message.Message, number int64, rows []NewDelivery) error {
	headers := ""
	if len(m.Headers) > 0 {
		b, err := json.Marshal(m.Headers)
		if err != nil {
			return fmt.Errorf("encode headers: %w", err)
		}
		headers = string(b)
	}
	event := []any{m.ID(), m.Topic, m.Key, number, m.Emitter, m.Parent, m.RequestID, m.Trace, headers, string(m.Payload), m.Time.UnixMilli(),
		m.Principal}
	if s.Postgres {
		return s.insertPostgres(ctx, owner, m, rows, event)
	}
	if err := s.run(ctx, insertEvent, event...); err != nil {
		return err
	}
	at := m.Time.UnixMilli() // the database's clock is the process's
	for _, d := range rows {
		who, state, n := "", "pending", 0
		if d.Claimed {
			who, state, n = owner, "running", 1
		}
		if err := s.run(ctx, `INSERT INTO bus_deliveries
			(event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			m.ID(), d.Subscription, m.Key, number, state, who, n, n, at+m.Delay.Milliseconds(), at); err != nil {
			return err
		}
	}
	return nil
}

// insertPostgres stores the event and its deliveries in one statement.
func (s Events) insertPostgres(ctx context.Context, owner string, m *message.Message, rows []NewDelivery, event []any) error {
	claimed, pending := []string{}, []string{} // not nil, which would be NULL
	for _, d := range rows {
		if d.Claimed {
			claimed = append(claimed, d.Subscription)
		} else {
			pending = append(pending, d.Subscription)
		}
	}
	return s.ExecLast(ctx, "store event "+m.Topic, insertAllPostgres, append(event, claimed, pending, owner, m.Delay.Milliseconds())...)
}

// insertAllPostgres stores an event ($1–$12) and three kinds of deliveries: to the subscriptions in $13, claimed by this process
// ($15); to the subscriptions in $14, pending; and to the topic's other active subscriptions, pending. All are due $16 milliseconds
// from now.
const insertAllPostgres = `WITH e AS (
	INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at, principal_id)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
)
INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, due_at, attempts, claimed_at)
SELECT $1, g.name, $3, $4, g.state, g.owner, g.n, (extract(epoch FROM statement_timestamp()) * 1000)::bigint + $16::bigint,
	g.n, (extract(epoch FROM statement_timestamp()) * 1000)::bigint
FROM (
	SELECT unnest($13::text[]) AS name, 'running' AS state, $15::text AS owner, 1 AS n
	UNION ALL SELECT unnest($14::text[]), 'pending', '', 0
	UNION ALL SELECT name, 'pending', '', 0 FROM bus_subscriptions
		WHERE topic = $2 AND state = 'active' AND name <> ALL ($13::text[]) AND name <> ALL ($14::text[])
) g`

// Read reads events by id. It calls keep with each event before it reads the next one, and leaves the event out if keep returns
// false. When the headers of an event cannot be read, Read sets its Fault.
func (s Events) Read(ctx context.Context, ids []string, keep func(*message.Message) bool) (map[string]*message.Message, error) {
	out := make(map[string]*message.Message, len(ids))
	err := s.Query(ctx, func(r *sql.Rows) error {
		var id, headers, payload string
		m := &message.Message{Envelope: &message.Envelope{}}
		if err := r.Scan(&id, &m.Topic, &m.Key, &m.Emitter, &m.Parent, &m.RequestID, &m.Trace, &headers, &payload, Millis{&m.Time},
			&m.Principal); err != nil {
			return err
		}
		m.SetID(id)
		m.Payload = []byte(payload)
		if headers != "" {
			if err := json.Unmarshal([]byte(headers), &m.Headers); err != nil {
				m.Fault = fmt.Errorf("the stored headers of the event cannot be read: %w", err)
			}
		}
		if keep(m) {
			out[id] = m
		}
		return nil
	}, `SELECT id, topic, key, emitter, parent, request_id, trace, headers, payload, published_at, principal_id
		FROM bus_events WHERE id {in list}`, JSONList(ids))
	return out, err
}
