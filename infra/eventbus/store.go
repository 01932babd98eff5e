package eventbus

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"plugboard/infra/database"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the tables of the outbox, in the form in which domains give theirs.
func (b *Bus) Migrations() database.MigrationSet {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return database.MigrationSet{Domain: "eventbus", FS: files}
}

// store is the outbox's SQL. Each statement exists once, with what differs between the databases filled in.
type store struct {
	db       *database.DB
	postgres bool
	// texts keeps statements that have been filled in.
	texts *sync.Map
}

func newStore(db *database.DB) store {
	return store{db: db, postgres: db.Dialect() == database.Postgres, texts: &sync.Map{}}
}

// sql fills in a statement: ? become $1, $2, … on Postgres; {now} is the database's time in Unix milliseconds;
// {in list} is the condition to be one of the strings of a JSON array parameter, in the form in which the database looks
// them up in an index; {each} is a table k of them, with the column value; {greatest}
// and {least} are the functions that return the greatest and the least of their arguments.
func (s store) sql(query string) string {
	if text, ok := s.texts.Load(query); ok {
		return text.(string)
	}
	text := s.fill(query)
	s.texts.Store(query, text)
	return text
}

func (s store) fill(query string) string {
	now, greatest, least := "CAST(unixepoch('subsec') * 1000 AS INTEGER)", "MAX", "MIN"
	list, each := "IN (SELECT value FROM json_each(?))", "json_each(?) k"
	if s.postgres {
		now, greatest, least = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint", "GREATEST", "LEAST"
		list = "= ANY (ARRAY(SELECT jsonb_array_elements_text(?::jsonb)))"
		each = "jsonb_array_elements_text(?::jsonb) k(value)"
	}
	query = strings.NewReplacer("{now}", now, "{greatest}", greatest, "{least}", least, "{in list}", list, "{each}", each).Replace(query)
	if !s.postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for i := range len(query) {
		if query[i] == '?' {
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
			continue
		}
		b.WriteByte(query[i])
	}
	return b.String()
}

// list encodes an {in list} parameter.
func list(values []string) string {
	b, err := json.Marshal(values)
	if err != nil {
		return "[]" // not valid UTF-8, which no stored value is
	}
	return string(b)
}

// bounded returns the context of a statement. On SQLite it cannot be cancelled: the outbox's statements are short, watching
// over one costs something, and an interrupted one would take the whole transaction with it.
func (s store) bounded(ctx context.Context) context.Context {
	if s.postgres {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// exec runs a statement in the transaction of ctx and returns the rows it changed.
func (s store) exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx = s.bounded(ctx)
	result, err := s.db.ExecContext(ctx, s.sql(query), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query runs a query and calls scan for each row.
func (s store) query(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	ctx = s.bounded(ctx)
	rows, err := s.db.QueryContext(ctx, s.sql(query), args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return &rowError{err}
		}
	}
	return database.MapError(rows.Err())
}

// rowError is the error of a row whose columns do not hold what they should.
type rowError struct{ cause error }

func (e *rowError) Error() string { return "read row: " + e.cause.Error() }
func (e *rowError) Unwrap() error { return e.cause }

// nextToken is the token after a row's own. The highest stays: a statement that changes many rows must not fail because of
// one. The claim of that row fails, see badRow.
const nextToken = `CASE WHEN token < 9223372036854775807 THEN token + 1 ELSE token END`

// oneMoreEnd counts one more end of a process that had claimed a row.
const oneMoreEnd = `CASE WHEN ends < 32767 THEN ends + 1 ELSE ends END`

// sequence takes the next n numbers of topic and key, and returns the first that the key ever had and the last of the n.
// They are gapless: whoever takes numbers holds the row until its transaction ends, and a rollback gives them back. A key
// that is new, or whose numbers have been deleted meanwhile, begins at the database's time, in 65,536 steps for each
// millisecond, and above all numbers that have been deleted of the topic: numbers only grow, also for whoever remembers
// those of a key that was deleted, and when the clock has been set back.
func (s store) sequence(ctx context.Context, topic, key string, n int) (first, last int64, err error) {
	found := false
	err = s.query(ctx, func(r *sql.Rows) error { found = true; return r.Scan(&first, &last) },
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

// deliveryRow is a delivery to be stored.
type deliveryRow struct {
	group   string
	claimed bool
}

const insertEvent = `INSERT INTO bus_events
	(id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at, principal_kind, principal_id)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// insert stores an event, the given deliveries, and one for each further active subscription of the topic, which
// another version of the service has.
func (s store) insert(ctx context.Context, owner string, e *entry) error {
	headers := ""
	if len(e.m.Headers) > 0 {
		b, err := json.Marshal(e.m.Headers)
		if err != nil {
			return fmt.Errorf("encode headers: %w", err)
		}
		headers = string(b)
	}
	m := e.m
	event := []any{m.ID(), m.Topic, m.Key, e.seq, m.Emitter, m.Parent, m.RequestID, m.Trace, headers, string(m.Payload), m.Time.UnixMilli(),
		m.PrincipalKind, m.PrincipalID}
	if s.postgres {
		return s.insertPostgres(ctx, owner, e, event)
	}
	if _, err := s.exec(ctx, insertEvent, event...); err != nil {
		return err
	}
	at := m.Time.UnixMilli() // the database's clock is the process's
	for _, d := range e.rows {
		who, state, n := d.claim(owner)
		if _, err := s.exec(ctx, `INSERT INTO bus_deliveries
			(event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			m.ID(), d.group, m.Key, e.seq, state, who, n, n, at+m.Delay.Milliseconds(), at); err != nil {
			return err
		}
	}
	return nil
}

// claim returns the columns of a delivery that is born claimed, or not.
func (d deliveryRow) claim(owner string) (who, state string, n int) {
	if d.claimed {
		return owner, "running", 1
	}
	return "", "pending", 0
}

// insertPostgres does it in one statement, which goes out with the commit.
func (s store) insertPostgres(ctx context.Context, owner string, e *entry, event []any) error {
	m := e.m
	claimed, open := []string{}, []string{} // not nil, which would be NULL
	for _, d := range e.rows {
		if d.claimed {
			claimed = append(claimed, d.group)
		} else {
			open = append(open, d.group)
		}
	}
	args := append(event, claimed, open, owner, m.Delay.Milliseconds())
	return s.last(ctx, "store event "+m.Topic, insertAllPostgres, args...)
}

// last runs a statement right before the commit of ctx's transaction, in the same round trip.
func (s store) last(ctx context.Context, purpose, query string, args ...any) error {
	tx, ok := database.TxFrom(ctx)
	if !ok {
		return errors.New(purpose + ": the transaction has ended")
	}
	return tx.ExecLast(ctx, purpose, query, args...)
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

// complete deletes a delivery, if it is still this holder's.
func (s store) complete(ctx context.Context, d *Incoming) (bool, error) {
	//crash:point no fencing: ctx s.exec d.ID() d.storedAs()
	n, err := s.exec(ctx, `DELETE FROM bus_deliveries WHERE event_id = ? AND subscription = ? AND token = ?`,
		d.ID(), d.storedAs(), d.token)
	return n == 1, err
}

// completeAll deletes deliveries that are still this holder's, and returns how many were. On Postgres it is one round
// trip; on SQLite there are none to save.
func (s store) completeAll(ctx context.Context, deliveries []*Incoming) (n int64, err error) {
	//crash:point no fencing of many: ctx s.complete deliveries
	if !s.postgres {
		for _, d := range deliveries {
			mine, err := s.complete(ctx, d)
			if err != nil {
				return n, err
			}
			if mine {
				n++
			}
		}
		return n, nil
	}
	result, err := s.db.ExecContext(ctx, completeAllPostgres, completions(deliveries)...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

const completeAllPostgres = `DELETE FROM bus_deliveries d USING unnest($1::text[], $2::text[], $3::bigint[]) AS c (id, name, token)
	WHERE d.event_id = c.id AND d.subscription = c.name AND d.token = c.token`

func completions(deliveries []*Incoming) []any {
	ids, groups, tokens := make([]string, len(deliveries)), make([]string, len(deliveries)), make([]int64, len(deliveries))
	for i, d := range deliveries {
		ids[i], groups[i], tokens[i] = d.ID(), d.storedAs(), d.token
	}
	return []any{ids, groups, tokens}
}

// settleAll is completeAll at the end of ctx's transaction, whatever the number. On Postgres it goes out with the commit.
func (s store) settleAll(ctx context.Context, deliveries []*Incoming) error {
	if s.postgres {
		return s.last(ctx, "settle deliveries", completeAllPostgres, completions(deliveries)...)
	}
	_, err := s.completeAll(ctx, deliveries)
	return err
}

// The statements that give a delivery back or make it dead leave its token as it is, and change it only while it runs:
// written again after a commit whose answer was lost, they change nothing.

// retry gives a delivery back, due after wait. Attempts is what it has counted so far. Who tried it has read it: it is not
// parked any more.
func (s store) retry(ctx context.Context, d *Incoming, attempts int, wait time.Duration, cause string) (bool, error) {
	n, err := s.exec(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = ?, due_at = {now} + ?, failed_at = {now},
		parked_at = 0, ends = 0, alone = 0, error = ? WHERE event_id = ? AND subscription = ? AND token = ? AND state = 'running'`,
		attempts, wait.Milliseconds(), cause, d.ID(), d.storedAs(), d.token)
	return n == 1, err
}

// release gives a delivery back untried, due after wait. Without one it stays due since when it was.
func (s store) release(ctx context.Context, d *Incoming, wait time.Duration) (bool, error) {
	n, err := s.exec(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = attempts - 1, ends = 0, alone = 0,
		due_at = CASE WHEN CAST(? AS BIGINT) = 0 THEN due_at ELSE {now} + ? END
		WHERE event_id = ? AND subscription = ? AND token = ? AND state = 'running'`,
		wait.Milliseconds(), wait.Milliseconds(), d.ID(), d.storedAs(), d.token)
	return n == 1, err
}

// park leaves a delivery to other versions for wait, or reports that it has been left for longer than limit. That counts from
// when it was first due, or from when this process began, the given time ago, if that was later: the events of a key, which
// are read one after the other, all have the same time, and not each the time after that of the one before.
func (s store) park(ctx context.Context, d *Incoming, wait, limit, began time.Duration, cause string) (expired bool, err error) {
	const since = "CASE WHEN parked_at = 0 THEN {greatest}(due_at, {now} - CAST(? AS BIGINT)) ELSE parked_at END"
	n, err := s.exec(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = attempts - 1, ends = 0, alone = 0,
		due_at = {least}({now} + ?, `+since+` + ?), parked_at = `+since+`, failed_at = {now}, error = ?
		WHERE event_id = ? AND subscription = ? AND token = ? AND state = 'running' AND `+since+` + ? > {now}`,
		wait.Milliseconds(), began.Milliseconds(), limit.Milliseconds(), began.Milliseconds(), cause,
		d.ID(), d.storedAs(), d.token, began.Milliseconds(), limit.Milliseconds())
	return n == 0, err
}

// bury makes a delivery dead.
func (s store) bury(ctx context.Context, d *Incoming, cause string) (bool, error) {
	n, err := s.exec(ctx, `UPDATE bus_deliveries SET state = 'dead', owner = '', failed_at = {now}, error = ?
		WHERE event_id = ? AND subscription = ? AND token = ? AND state = 'running'`, cause, d.ID(), d.storedAs(), d.token)
	return n == 1, err
}

// condemn makes an open delivery dead that cannot be claimed.
func (s store) condemn(ctx context.Context, id, group, cause string) (bool, error) {
	n, err := s.exec(ctx, `UPDATE bus_deliveries SET state = 'dead', owner = '', failed_at = {now}, error = ?
		WHERE event_id = ? AND subscription = ? AND state = 'pending'`, cause, id, group)
	return n == 1, err
}

// dueFree lists the due deliveries of group that have no key, at most limit, those due for longest first.
func (s store) dueFree(ctx context.Context, group string, limit int) ([]head, error) {
	var out []head
	err := s.query(ctx, func(r *sql.Rows) error {
		var h head
		err := r.Scan(&h.id)
		out = append(out, h)
		return err
	}, `SELECT event_id FROM bus_deliveries WHERE subscription = ? AND state = 'pending' AND key = '' AND due_at <= (SELECT {now})
		ORDER BY due_at LIMIT ?`, group, limit)
	return out, err
}

// countBegin notes that a delivery is begun as a suspect, if it is still this holder's.
func (s store) countBegin(ctx context.Context, d *Incoming) (bool, error) {
	n, err := s.exec(ctx, `UPDATE bus_deliveries SET alone = alone + 1 WHERE event_id = ? AND subscription = ? AND token = ?`,
		d.ID(), d.storedAs(), d.token)
	return n == 1, err
}

// claimed is a delivery just claimed.
type claimed struct {
	id, key  string
	seq      int64
	token    int64
	attempts int
	ends     int16
	alone    int16
}

func scanClaimed(out *[]claimed) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var c claimed
		err := r.Scan(&c.id, &c.key, &c.seq, &c.token, &c.attempts, &c.ends, &c.alone)
		*out = append(*out, c)
		return err
	}
}

// claim takes up to n due deliveries of group that have no key. It runs in a transaction.
func (s store) claim(ctx context.Context, owner, group string, n int) ([]claimed, error) {
	lock := ""
	if s.postgres {
		lock = "FOR UPDATE SKIP LOCKED"
	}
	var out []claimed
	// Without MATERIALIZED Postgres may run the selection several times, and so take more than its limit.
	err := s.query(ctx, scanClaimed(&out), `WITH due AS MATERIALIZED (
			SELECT event_id FROM bus_deliveries WHERE subscription = ? AND state = 'pending' AND key = '' AND due_at <= (SELECT {now})
			ORDER BY due_at LIMIT ? `+lock+`)
		UPDATE bus_deliveries SET state = 'running', owner = ?, token = token + 1, attempts = attempts + 1, claimed_at = {now}
		WHERE subscription = ? AND state = 'pending' AND event_id IN (SELECT event_id FROM due)
		RETURNING event_id, key, seq, token, attempts, ends, alone`, group, n, owner, group)
	return out, err
}

// claimHeads takes the deliveries ids, which were the first unfinished ones of their keys. As long as such a delivery is
// open it stays the first: numbers before it are done, and new ones are higher. It runs in a transaction.
func (s store) claimHeads(ctx context.Context, owner, group string, ids []string) ([]claimed, error) {
	var out []claimed
	err := s.query(ctx, scanClaimed(&out), `UPDATE bus_deliveries SET state = 'running', owner = ?, token = token + 1,
		attempts = attempts + 1, claimed_at = {now}, behind = 0 WHERE subscription = ? AND state = 'pending' AND due_at <= {now} AND event_id {in list}
		RETURNING event_id, key, seq, token, attempts, ends, alone`, owner, group, list(ids))
	return out, err
}

// chain is how many deliveries of one key are claimed at a time.
const chain = 16

// claimKey takes at most n due deliveries of key from seq on, up to the first that is not due, if seq is still its first
// unfinished one. A suspect is taken by itself, when it is the first. It runs in a transaction.
func (s store) claimKey(ctx context.Context, owner, group, key string, seq int64, n int, block bool) ([]claimed, error) {
	lock := ""
	if s.postgres {
		lock = "FOR UPDATE"
	}
	var found []string
	next := seq
	err := s.query(ctx, func(r *sql.Rows) error {
		var id, state string
		var number, wait int64
		var ends int16
		if err := r.Scan(&id, &number, &state, &wait, &ends); err != nil {
			return err
		}
		if number != next || state != "pending" || wait > 0 || suspicious(ends) && number > seq {
			return nil
		}
		found = append(found, id)
		next++
		if suspicious(ends) {
			next = 0 // none behind it
		}
		return nil
	}, `SELECT event_id, seq, state, {greatest}(due_at, 0) - {now}, ends FROM bus_deliveries WHERE subscription = ? AND key = ? AND key <> '' AND seq >= ?
		ORDER BY seq LIMIT ? `+lock, group, key, seq, n)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if first, err := s.first(ctx, group, key, block); err != nil || first != seq {
		return nil, err
	}
	return s.claimHeads(ctx, owner, group, found)
}

// first returns the number of the first unfinished delivery of key, or 0.
func (s store) first(ctx context.Context, group, key string, block bool) (seq int64, err error) {
	err = s.query(ctx, func(r *sql.Rows) error { return r.Scan(&seq) }, firstOf("m.seq", "?", block), group, key)
	return seq, err
}

// unclaim gives deliveries back that the transaction has claimed itself.
func (s store) unclaim(ctx context.Context, owner, group string, ids []string) error {
	_, err := s.exec(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = attempts - 1
		WHERE subscription = ? AND state = 'running' AND owner = ? AND event_id {in list}`, group, owner, list(ids))
	return err
}

// events reads events by id. Those that keep refuses are left out, one by one, before the next is read.
func (s store) events(ctx context.Context, ids []string, keep func(*Message) bool) (map[string]*Message, error) {
	out := make(map[string]*Message, len(ids))
	err := s.query(ctx, func(r *sql.Rows) error {
		m := &Message{Envelope: &Envelope{}}
		var id, headers, payload string
		var at int64
		if err := r.Scan(&id, &m.Topic, &m.Key, &m.Emitter, &m.Parent, &m.RequestID, &m.Trace, &headers, &payload, &at,
			&m.PrincipalKind, &m.PrincipalID); err != nil {
			return err
		}
		m.id.Store(&id)
		m.Payload, m.Time = []byte(payload), Timestamp(at*1e6)
		if headers != "" {
			if err := json.Unmarshal([]byte(headers), &m.Headers); err != nil {
				m.fault = fmt.Errorf("the stored headers of the event cannot be read: %w", err)
			}
		}
		if keep(m) {
			out[id] = m
		}
		return nil
	}, `SELECT id, topic, key, emitter, parent, request_id, trace, headers, payload, published_at, principal_kind, principal_id
		FROM bus_events WHERE id {in list}`, list(ids))
	return out, err
}

// unfinished reports whether a delivery of the groups is neither done nor dead.
func (s store) unfinished(ctx context.Context, groups []string) (bool, error) {
	found := false
	err := s.query(ctx, func(*sql.Rows) error { found = true; return nil },
		`SELECT 1 FROM bus_deliveries WHERE state <> 'dead' AND subscription {in list} LIMIT 1`, list(groups))
	return found, err
}

// owned lists the claims of owner that are older than age.
func (s store) owned(ctx context.Context, owner string, age time.Duration) ([]*Incoming, error) {
	var out []*Incoming
	err := s.query(ctx, func(r *sql.Rows) error {
		d := &Incoming{Message: &Message{}, lane: &lane{}}
		var id, name string
		err := r.Scan(&id, &name, &d.token)
		d.id.Store(&id)
		d.lane.stored.Store(&name)
		out = append(out, d)
		return err
	}, `SELECT event_id, subscription, token FROM bus_deliveries WHERE state = 'running' AND owner = ? AND claimed_at < {now} - ?`,
		owner, age.Milliseconds())
	return out, err
}

// now returns the database's time. What is compared with times in the tables is counted from it: the clock of one process may
// be days off.
func (s store) now(ctx context.Context) (time.Time, error) {
	var ms int64
	err := s.query(ctx, func(r *sql.Rows) error { return r.Scan(&ms) }, `SELECT {now}`)
	return time.UnixMilli(ms), err
}

// eventsBefore lists the next limit events after one that were published before cutoff, and those of them that have no
// deliveries left. The ids begin with their time.
func (s store) eventsBefore(ctx context.Context, cutoff time.Time, after string, limit int) (page, finished []string, err error) {
	before := fmt.Sprintf("%012x", max(0, cutoff.UnixMilli()))
	before = before[:8] + "-" + before[8:]
	err = s.query(ctx, func(r *sql.Rows) error {
		var id string
		var left bool
		err := r.Scan(&id, &left)
		page = append(page, id)
		if !left {
			finished = append(finished, id)
		}
		return err
	}, `SELECT id, EXISTS (SELECT 1 FROM bus_deliveries d WHERE d.event_id = e.id) FROM bus_events e WHERE id > ? AND id < ? ORDER BY id LIMIT ?`,
		after, before, limit)
	return page, finished, err
}

// prune deletes those of the events that have no deliveries left.
func (s store) prune(ctx context.Context, ids []string) error {
	_, err := s.exec(ctx, `DELETE FROM bus_events WHERE id {in list} AND NOT EXISTS
		(SELECT 1 FROM bus_deliveries d WHERE d.event_id = bus_events.id)`, list(ids))
	return err
}

// unusedSequences reads the limit sequences after one, and lists those that were not used since cutoff, sorted. It returns the last it read, and whether there may be more.
func (s store) unusedSequences(ctx context.Context, after sequence, cutoff time.Time, limit int) (unused []sequence, last sequence, more bool, err error) {
	n := 0
	err = s.query(ctx, func(r *sql.Rows) error {
		var at int64
		if err := r.Scan(&last.topic, &last.key, &at); err != nil {
			return err
		}
		if n++; at < cutoff.UnixMilli() {
			unused = append(unused, last)
		}
		return nil
	}, `SELECT topic, key, used_at FROM bus_sequences WHERE (topic, key) > (?, ?) ORDER BY topic, key LIMIT ?`, after.topic, after.key, limit)
	slices.SortFunc(unused, sequence.compare) // the database's order of topics is another one, if its collation is
	return unused, last, n == limit, err
}

// pruneSequences deletes those sequences of a topic that were not used since cutoff and have no deliveries left, dead ones
// included. Whoever takes a number from one at the same time comes before, and it stays, or after, and begins anew.
func (s store) pruneSequences(ctx context.Context, topic string, keys []string, cutoff time.Time) error {
	found, lock := "", ""
	if s.postgres { // what a publisher has locked is in use
		found, lock = "MATERIALIZED", "FOR UPDATE SKIP LOCKED"
	}
	_, err := s.exec(ctx, `WITH unused AS `+found+` (SELECT key FROM bus_sequences WHERE topic = ? AND key {in list} AND used_at < ? `+lock+`)
		DELETE FROM bus_sequences WHERE topic = ? AND key IN (SELECT key FROM unused) AND NOT EXISTS
		(SELECT 1 FROM bus_subscriptions s JOIN bus_deliveries d ON d.subscription = s.name
			WHERE s.topic = bus_sequences.topic AND d.key = bus_sequences.key AND d.key <> '')`,
		topic, list(keys), cutoff.UnixMilli(), topic)
	return err
}

// takeAll opens all claims: on SQLite, those of earlier runs.
func (s store) takeAll(ctx context.Context) (int64, error) {
	return s.exec(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', token = `+nextToken+`, ends = `+oneMoreEnd+` WHERE state = 'running'`)
}

// process is another replica.
type process struct {
	id   string
	lock int64
	// expired tells that its lease has run out, free that nobody holds its lock, old that it is of a version that does not
	// keep the column behind.
	expired, free, old bool
}

// processes lists the other replicas. One statement asks for the locks of all of them.
func (s store) processes(ctx context.Context, except string) ([]process, error) {
	var out []process
	err := s.query(ctx, func(r *sql.Rows) error {
		var p process
		err := r.Scan(&p.id, &p.lock, &p.expired, &p.free, &p.old)
		out = append(out, p)
		return err
	}, `WITH held AS MATERIALIZED (
			SELECT classid::bigint AS high, objid::bigint AS low FROM pg_locks
			WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
		SELECT id, lock_key, lease_until < {now}, NOT EXISTS (SELECT 1 FROM held
			WHERE high = (lock_key >> 32) & 4294967295 AND low = lock_key & 4294967295), NOT keeps_behind
		FROM bus_processes WHERE id <> ?`, except)
	return out, err
}

// openClaims opens the claims that the rest of the statement selects. Those that a transaction has locked are left for
// later: a process that hangs in the middle of one must not hold up the others' work.
const openClaims = `UPDATE bus_deliveries SET state = 'pending', owner = '', token = ` + nextToken + `, ends = ` + oneMoreEnd + ` WHERE (event_id, subscription) IN (
	SELECT event_id, subscription FROM bus_deliveries WHERE state = 'running' AND `

// takeOver removes a process and opens its claims, unless it has shown meanwhile that it lives. Their tokens change, so that
// it can complete none of them any more.
func (s store) takeOver(ctx context.Context, p process) (gone bool, n int64, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		removed, err := s.exec(ctx, `DELETE FROM bus_processes WHERE id = ? AND lock_key = ? AND (NOT CAST(? AS BOOLEAN) OR lease_until < {now})`,
			p.id, p.lock, p.expired)
		if gone = removed == 1; err != nil || !gone {
			return err
		}
		n, err = s.exec(ctx, openClaims+`owner = ? FOR UPDATE SKIP LOCKED)`, p.id)
		return err
	})
	return gone, n, err
}

// takeOrphans opens claims of processes that are no longer known.
func (s store) takeOrphans(ctx context.Context, age time.Duration) (int64, error) {
	return s.exec(ctx, openClaims+`claimed_at < {now} - ? AND owner NOT IN (SELECT id FROM bus_processes) FOR UPDATE SKIP LOCKED)`,
		age.Milliseconds())
}

// seen renews the time at which the subscriptions were last seen.
func (s store) seen(ctx context.Context, names []string) error {
	_, err := s.exec(ctx, `UPDATE bus_subscriptions SET seen_at = {now} WHERE name {in list}`, list(names))
	return err
}
