package models

import "time"

// Key mirrors the table accounts_keys: an API key, with which a program acts for its owner.
type Key struct {
	// ID is a UUIDv7. It is no secret.
	ID     string `gorm:"primaryKey"`
	UserID string `gorm:"not null"`
	// Name says what the key is for.
	Name string `gorm:"not null"`
	// TokenHash is the SHA-256 of the key.
	TokenHash []byte `gorm:"not null;uniqueIndex"`
	// Scopes are the permissions that the key may use, separated by spaces.
	Scopes    string    `gorm:"not null"`
	CreatedAt time.Time `gorm:"not null"`
	ExpiresAt time.Time `gorm:"not null"`
	// UsedAt is when the key was last used, to the minute; nil before that.
	UsedAt *time.Time
}

// TableName implements gorm's Tabler.
func (Key) TableName() string { return "accounts_keys" }
