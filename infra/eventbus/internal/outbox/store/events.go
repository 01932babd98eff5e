package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"plugboard/infra/eventbus/internal/message"

	"github.com/go-json-experiment/json"
)

// Events has the statements of stored events.
type Events struct{ Store }

// sequence is the count of the numbers of one key.
type Sequence struct{ Topic, Key string }

// compare is the order in which the rows of sequences are locked, that of their bytes.
func (s Sequence) Compare(other Sequence) int {
	return cmp.Or(cmp.Compare(s.Topic, other.Topic), cmp.Compare(s.Key, other.Key))
}

// sequence takes the next n numbers of topic and key, and returns the first that the key ever had and the last of the n.
// They are gapless: whoever takes numbers holds the row until its transaction ends, and a rollback gives them back. A key
// that is new, or whose numbers have been deleted meanwhile, begins at the database's time, in 65,536 steps for each
// millisecond, and above all numbers that have been deleted of the topic: numbers only grow, also for whoever remembers
// those of a key that was deleted, and when the clock has been set back.
func (s Events) TakeNumbers(ctx context.Context, topic, key string, n int) (first, last int64, err error) {
	found := false
	err = s.Query(ctx, func(r *sql.Rows) error { found = true; return r.Scan(&first, &last) },
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

// DeliveryRow is a delivery to be stored.
type NewDelivery struct {
	// Subscription is the name under which it is stored.
	Subscription string
	Claimed      bool
}

const insertEvent = `INSERT INTO bus_events
	(id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at, principal_kind, principal_id)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// insert stores an event, the given deliveries, and one for each further active subscription of the topic, which
// another version of the service has.
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
		m.PrincipalKind, m.PrincipalID}
	if s.Postgres {
		return s.insertPostgres(ctx, owner, m, rows, event)
	}
	if _, err := s.Exec(ctx, insertEvent, event...); err != nil {
		return err
	}
	at := m.Time.UnixMilli() // the database's clock is the process's
	for _, d := range rows {
		who, state, n := d.claim(owner)
		if _, err := s.Exec(ctx, `INSERT INTO bus_deliveries
			(event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			m.ID(), d.Subscription, m.Key, number, state, who, n, n, at+m.Delay.Milliseconds(), at); err != nil {
			return err
		}
	}
	return nil
}

// claim returns the columns of a delivery that is born claimed, or not.
func (d NewDelivery) claim(owner string) (who, state string, n int) {
	if d.Claimed {
		return owner, "running", 1
	}
	return "", "pending", 0
}

// insertPostgres does it in one statement, which goes out with the commit.
func (s Events) insertPostgres(ctx context.Context, owner string, m *message.Message, rows []NewDelivery, event []any) error {
	claimed, open := []string{}, []string{} // not nil, which would be NULL
	for _, d := range rows {
		if d.Claimed {
			claimed = append(claimed, d.Subscription)
		} else {
			open = append(open, d.Subscription)
		}
	}
	args := append(event, claimed, open, owner, m.Delay.Milliseconds())
	return s.ExecLast(ctx, "store event "+m.Topic, insertAllPostgres, args...)
}

// insertAllPostgres stores an event ($1–$13) with the deliveries claimed by this process ($14), the open ones of its
// other groups ($15), and those of subscriptions that only other versions know.
const insertAllPostgres = `WITH e AS (
	INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at,
		principal_kind, principal_id)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
)
INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, due_at, attempts, claimed_at)
SELECT $1, g.name, $3, $4, g.state, g.owner, g.n, (extract(epoch FROM statement_timestamp()) * 1000)::bigint + $17::bigint,
	g.n, (extract(epoch FROM statement_timestamp()) * 1000)::bigint
FROM (
	SELECT unnest($14::text[]) AS name, 'running' AS state, $16::text AS owner, 1 AS n
	UNION ALL SELECT unnest($15::text[]), 'pending', '', 0
	UNION ALL SELECT name, 'pending', '', 0 FROM bus_subscriptions
		WHERE topic = $2 AND state = 'active' AND name <> ALL ($14::text[]) AND name <> ALL ($15::text[])
) g`

// events reads events by id. Those that keep refuses are left out, one by one, before the next is read.
func (s Events) Read(ctx context.Context, ids []string, keep func(*message.Message) bool) (map[string]*message.Message, error) {
	out := make(map[string]*message.Message, len(ids))
	err := s.Query(ctx, func(r *sql.Rows) error {
		var id, headers, payload string
		m := &message.Message{Envelope: &message.Envelope{}}
		var at int64
		if err := r.Scan(&id, &m.Topic, &m.Key, &m.Emitter, &m.Parent, &m.RequestID, &m.Trace, &headers, &payload, &at,
			&m.PrincipalKind, &m.PrincipalID); err != nil {
			return err
		}
		m.SetID(id)
		m.Payload, m.Time = []byte(payload), time.UnixMilli(at).UTC()
		if headers != "" {
			if err := json.Unmarshal([]byte(headers), &m.Headers); err != nil {
				m.Fault = fmt.Errorf("the stored headers of the event cannot be read: %w", err)
			}
		}
		if keep(m) {
			out[id] = m
		}
		return nil
	}, `SELECT id, topic, key, emitter, parent, request_id, trace, headers, payload, published_at, principal_kind, principal_id
		FROM bus_events WHERE id {in list}`, List(ids))
	return out, err
}
