package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// The subscriptions. Notifications are stored in the transaction that ends their delivery; audit entries in one of
// their own.
const (
	notifier = "notifications"
	auditor  = "audit"
)

// tables are those of ours, with the same indexes.
const tables = `
CREATE TABLE products (
	id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL CHECK (trim(name) <> ''), price REAL NOT NULL CHECK (price > 0)
);
CREATE UNIQUE INDEX products_name_key ON products (name);
CREATE TABLE notifications (
	id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, topic TEXT NOT NULL, product_id INTEGER NOT NULL,
	created_at DATETIME NOT NULL
);
CREATE UNIQUE INDEX notifications_event_id_key ON notifications (event_id);
CREATE INDEX notifications_product_id_idx ON notifications (product_id);
CREATE TABLE audit_entries (
	id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, topic TEXT NOT NULL, product_id INTEGER NOT NULL,
	summary TEXT NOT NULL, emitter TEXT NOT NULL, parent_event_id TEXT NOT NULL, request_id TEXT NOT NULL,
	occurred_at DATETIME NOT NULL, recorded_at DATETIME NOT NULL
);
CREATE UNIQUE INDEX audit_entries_event_id_key ON audit_entries (event_id);
CREATE INDEX audit_entries_product_id_idx ON audit_entries (product_id, id);
CREATE INDEX audit_entries_topic_idx ON audit_entries (topic, id);
CREATE TABLE outbox_events (
	id TEXT NOT NULL PRIMARY KEY, topic TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, emitter TEXT NOT NULL,
	parent TEXT NOT NULL, request_id TEXT NOT NULL, payload TEXT NOT NULL, published_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox_deliveries (
	event_id TEXT NOT NULL, subscription TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, state TEXT NOT NULL,
	attempts INTEGER NOT NULL, claimed_at INTEGER NOT NULL, PRIMARY KEY (event_id, subscription)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_deliveries_key ON outbox_deliveries (subscription, key, seq);
CREATE TABLE outbox_sequences (
	topic TEXT NOT NULL, key TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (topic, key)
) STRICT, WITHOUT ROWID;`

// Notification mirrors the table notifications.
type Notification struct {
	ID        int64 `gorm:"primaryKey"`
	EventID   string
	Topic     string
	ProductID int64
	CreatedAt time.Time
}

// AuditEntry mirrors the table audit_entries.
type AuditEntry struct {
	ID            int64 `gorm:"primaryKey"`
	EventID       string
	Topic         string
	ProductID     int64
	Summary       string
	Emitter       string
	ParentEventID string
	RequestID     string
	OccurredAt    time.Time
	RecordedAt    time.Time
}

// event is an event that has been committed or is about to be.
type event struct {
	id, topic, parent string
	product           int64
	at                time.Time
}

// announce writes an event, its number within its key, and one claimed delivery for each subscription.
func announce(tx *gorm.DB, topic string, product int64, payload any, parent string, subscriptions ...string) (*event, error) {
	e := &event{id: uuid.Must(uuid.NewV7()).String(), topic: topic, parent: parent, product: product, at: time.Now()}
	text, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	key := strconv.FormatInt(product, 10)
	var seq int64
	err = tx.Raw(`INSERT INTO outbox_sequences (topic, key, last) VALUES (?, ?, 1)
		ON CONFLICT (topic, key) DO UPDATE SET last = last + 1 RETURNING last`, topic, key).Scan(&seq).Error
	if err != nil {
		return nil, err
	}
	err = tx.Exec(`INSERT INTO outbox_events (id, topic, key, seq, emitter, parent, request_id, payload, published_at)
		VALUES (?, ?, ?, ?, 'ginstore', ?, '', ?, ?)`, e.id, topic, key, seq, parent, string(text), e.at.UnixMilli()).Error
	for _, s := range subscriptions {
		if err != nil {
			break
		}
		err = tx.Exec(`INSERT INTO outbox_deliveries (event_id, subscription, key, seq, state, attempts, claimed_at)
			VALUES (?, ?, ?, ?, 'running', 1, ?)`, e.id, s, key, seq, e.at.UnixMilli()).Error
	}
	return e, err
}

// outbox works the events off, as ours does: notifications with the end of their deliveries in transactions of up to
// 64, audit entries one by one on eight goroutines (ours: four for
// each of two topics), the ends of their deliveries in transactions of up to 256.
type outbox struct {
	db     *gorm.DB
	notify chan *event
	audit  chan *event
	done   chan *event
	ended  [3]sync.WaitGroup
}

func newOutbox(db *gorm.DB) *outbox {
	const room = 1 << 17
	return &outbox{db: db, notify: make(chan *event, room), audit: make(chan *event, room), done: make(chan *event, room)}
}

func (o *outbox) start() {
	o.ended[0].Go(func() { inBatches(o.notify, 64, 0, o.storeNotifications) })
	for range 8 {
		o.ended[1].Go(func() {
			for e := range o.audit {
				o.storeEntry(e)
			}
		})
	}
	o.ended[2].Go(func() { inBatches(o.done, 256, 5*time.Millisecond, o.complete) })
}

// stop works off what is left.
func (o *outbox) stop() {
	for i, c := range []chan *event{o.notify, o.audit, o.done} {
		close(c)
		o.ended[i].Wait()
	}
}

// inBatches calls fn with what c holds, at most size at a time, lingering after the first for more.
func inBatches(c <-chan *event, size int, linger time.Duration, fn func([]*event)) {
	for first := range c {
		if linger > 0 {
			time.Sleep(linger)
		}
		batch := []*event{first}
		for len(batch) < size && len(c) > 0 {
			batch = append(batch, <-c)
		}
		fn(batch)
	}
}

func (o *outbox) storeNotifications(batch []*event) {
	var stored []*event
	report("store notifications", o.db.Transaction(func(tx *gorm.DB) error {
		for _, e := range batch {
			next, err := storeNotification(tx, e)
			if err != nil {
				return err
			}
			stored = append(stored, next)
		}
		return nil
	}))
	for _, e := range stored {
		o.audit <- e
	}
}

func storeNotification(tx *gorm.DB, e *event) (*event, error) {
	n := Notification{EventID: e.id, Topic: e.topic, ProductID: e.product, CreatedAt: time.Now().UTC()}
	if err := tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "event_id"}}, DoNothing: true}).Create(&n).Error; err != nil {
		return nil, err
	}
	if err := end(tx, e, notifier); err != nil {
		return nil, err
	}
	payload := map[string]any{"id": n.ID, "product_id": e.product, "about": e.topic}
	return announce(tx, "notification.stored", e.product, payload, e.id, auditor)
}

func (o *outbox) storeEntry(e *event) {
	entry := AuditEntry{
		EventID: e.id, Topic: e.topic, ProductID: e.product, Summary: fmt.Sprintf("product %d: %s", e.product, e.topic),
		Emitter: "ginstore", ParentEventID: e.parent, OccurredAt: e.at.UTC(), RecordedAt: time.Now().UTC(),
	}
	once := clause.OnConflict{Columns: []clause.Column{{Name: "event_id"}}, DoNothing: true}
	report("store audit entry", o.db.Clauses(once).Create(&entry).Error)
	o.done <- e
}

func (o *outbox) complete(batch []*event) {
	report("complete deliveries", o.db.Transaction(func(tx *gorm.DB) error {
		for _, e := range batch {
			if err := end(tx, e, auditor); err != nil {
				return err
			}
		}
		return nil
	}))
}

// end deletes a delivery.
func end(tx *gorm.DB, e *event, subscription string) error {
	return tx.Exec("DELETE FROM outbox_deliveries WHERE event_id = ? AND subscription = ?", e.id, subscription).Error
}

func report(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "ginstore: %s: %v\n", what, err)
	}
}
