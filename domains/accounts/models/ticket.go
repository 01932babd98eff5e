package models

import "time"

// Purpose is what a ticket lets its reader do.
type Purpose string

// The purposes.
const (
	// Register makes a user of the ticket's address.
	Register Purpose = "register"
	// Reset sets a new password.
	Reset Purpose = "reset"
	// ChangeEmail makes the ticket's address that of the user.
	ChangeEmail Purpose = "email"
)

// Ticket mirrors the table accounts_tickets. It was sent to an address, and lets whoever reads it there do one thing once.
type Ticket struct {
	// ID is a UUIDv7.
	ID      string  `gorm:"primaryKey"`
	Purpose Purpose `gorm:"not null"`
	Email   string  `gorm:"not null"`
	// UserID is the user who asked, for the purposes Reset and ChangeEmail.
	UserID *string
	// Roles are those of an invited user, separated by spaces.
	Roles string `gorm:"not null"`
	// InvitedBy is the user who has invited, for the purpose Register; nil for somebody who registers unasked.
	InvitedBy *string
	// TokenHash is the SHA-256 of the token.
	TokenHash []byte    `gorm:"not null;uniqueIndex"`
	CreatedAt time.Time `gorm:"not null"`
	ExpiresAt time.Time `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (Ticket) TableName() string { return "accounts_tickets" }
