// Package models holds the entities of the media domain, one file per table.
package models

import "time"

// Status says how far an image's thumbnails are.
type Status string

// The statuses. A failed image has no thumbnails; when its event is replayed, it can become ready.
const (
	Pending Status = "pending"
	Ready   Status = "ready"
	Failed  Status = "failed"
)

// Image mirrors the table images.
type Image struct {
	ID int64 `gorm:"primaryKey"`
	// Format is the media type.
	Format string `gorm:"not null"`
	// Width and Height are in pixels, as a viewer sees the image.
	Width  int `gorm:"not null"`
	Height int `gorm:"not null"`
	// Bytes is the length of the content.
	Bytes int `gorm:"not null"`
	// ETag is a hash of the content.
	ETag   string `gorm:"column:etag;not null"`
	Status Status `gorm:"not null"`
	// Failure says why the status is Failed, going on from "the image"; otherwise it is empty.
	Failure   string    `gorm:"not null"`
	CreatedAt time.Time `gorm:"not null"`
}
