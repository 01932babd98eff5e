package models

import "time"

// Outcome is how a sign-in went.
type Outcome string

// The outcomes.
const (
	SignedIn      Outcome = "signed in"
	WrongPassword Outcome = "wrong password"
	UnknownUser   Outcome = "unknown user"
	Disabled      Outcome = "disabled"
	// NotLinked is a sign-in with an identity provider, by somebody with the address of a user to whom it is not linked.
	NotLinked Outcome = "not linked"
)

// SignIn mirrors the table accounts_sign_ins: a sign-in, or an attempt at one.
type SignIn struct {
	// ID is a UUIDv7.
	ID string `gorm:"primaryKey"`
	// UserID is empty where the address belongs to no user.
	UserID  string  `gorm:"not null"`
	Outcome Outcome `gorm:"not null"`
	// Method is "password", or "provider" for a sign-in with an identity provider.
	Method    string    `gorm:"not null"`
	Address   string    `gorm:"not null"`
	UserAgent string    `gorm:"not null"`
	RequestID string    `gorm:"not null"`
	At        time.Time `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (SignIn) TableName() string { return "accounts_sign_ins" }
