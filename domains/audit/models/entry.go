// Package models holds the entities of the audit domain, one file per table.
package models

import "time"

// Entry mirrors the table audit_entries.
type Entry struct {
	ID int64 `gorm:"primaryKey;index:audit_entries_product_id_idx,priority:2;index:audit_entries_topic_idx,priority:2;index:audit_entries_principal_idx,priority:2"`
	// EventID is the id of the event that was recorded. It is unique, so that an event that arrives twice is
	// recorded once.
	EventID string `gorm:"not null;uniqueIndex:audit_entries_event_id_key"`
	Topic   string `gorm:"not null;index:audit_entries_topic_idx,priority:1"`
	// ProductID is the product's id in the products domain; that domain's table is not ours to refer to.
	ProductID int64 `gorm:"not null;index:audit_entries_product_id_idx,priority:1"`
	// Summary says what happened, for people.
	Summary string `gorm:"not null"`
	// Emitter is the plugin that published the event.
	Emitter string `gorm:"not null"`
	// ParentEventID is the id of the event whose handler published this one, or "".
	ParentEventID string `gorm:"not null"`
	// RequestID is the id of the request at the beginning of the chain, or "".
	RequestID string `gorm:"not null"`
	// Principal is the ID of who made that request, or "".
	Principal string `gorm:"not null;index:audit_entries_principal_idx,priority:1"`
	// OccurredAt is when the event was published, RecordedAt when it was recorded here.
	OccurredAt time.Time `gorm:"not null"`
	RecordedAt time.Time `gorm:"not null;autoCreateTime"`
}

// TableName is the table's name.
func (Entry) TableName() string { return "audit_entries" }
