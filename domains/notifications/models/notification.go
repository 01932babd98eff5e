// Package models holds the entities of the notifications domain, one file per table.
package models

import "time"

// Notification mirrors the table notifications.
type Notification struct {
	ID int64 `gorm:"primaryKey"`
	// EventID is the id of the event that was noted. It is unique, so that an event that arrives twice is
	// noted once.
	EventID string `gorm:"not null;uniqueIndex:notifications_event_id_key"`
	Topic   string `gorm:"not null"`
	// ProductID is the product's id in the products domain; that domain's table is not ours to refer to.
	ProductID int64     `gorm:"not null;index:notifications_product_id_idx"`
	CreatedAt time.Time `gorm:"not null;index:notifications_created_at_idx"`
}
