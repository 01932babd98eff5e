package models

import "time"

// Session mirrors the table accounts_sessions: a sign-in that holds.
type Session struct {
	// ID is a UUIDv7. It is no secret.
	ID     string `gorm:"primaryKey"`
	UserID string `gorm:"not null"`
	// TokenHash is the SHA-256 of the token.
	TokenHash []byte `gorm:"not null;uniqueIndex"`
	// SignedInAt is when the user last proved who they are.
	SignedInAt time.Time `gorm:"not null"`
	// UsedAt is when the session was last used, to the minute.
	UsedAt time.Time `gorm:"not null"`
	// ExpiresAt is when the session ends, however much it is used.
	ExpiresAt time.Time `gorm:"not null"`
	// Address and UserAgent are the client's of the sign-in.
	Address   string `gorm:"not null"`
	UserAgent string `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (Session) TableName() string { return "accounts_sessions" }
