package models

import "time"

// Flow mirrors the table accounts_flows: somebody was sent to the identity provider, and is to come back once.
type Flow struct {
	// StateHash is the SHA-256 of the state, which the provider hands back.
	StateHash []byte `gorm:"primaryKey"`
	// BrowserHash is the SHA-256 of the cookie of the browser that was sent.
	BrowserHash []byte `gorm:"not null"`
	// Nonce is what the ID token must have, Verifier what the code can be exchanged with alone (RFC 7636).
	Nonce    string `gorm:"not null"`
	Verifier string `gorm:"not null"`
	// ReturnPath is where the browser goes afterwards, a path of this host.
	ReturnPath string `gorm:"not null"`
	// UserID is the user to whom the identity is to be linked; nil for a sign-in.
	UserID    *string
	ExpiresAt time.Time `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (Flow) TableName() string { return "accounts_flows" }
