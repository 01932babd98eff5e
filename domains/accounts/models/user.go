// Package models holds the entities of the accounts domain, one file per table.
package models

import "time"

// User mirrors the table accounts_users.
type User struct {
	// ID is a UUIDv7.
	ID string `gorm:"primaryKey"`
	// Email is in lower case.
	Email string `gorm:"not null;uniqueIndex"`
	// Name is how the user wants to be called; it may be empty.
	Name string `gorm:"not null"`
	// PasswordHash is empty for a user who signs in with a provider alone.
	PasswordHash      string    `gorm:"not null"`
	PasswordChangedAt time.Time `gorm:"not null"`
	// DisabledAt is nil while the user may sign in.
	DisabledAt *time.Time
	CreatedAt  time.Time `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (User) TableName() string { return "accounts_users" }
