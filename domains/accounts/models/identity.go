package models

import "time"

// Identity mirrors the table accounts_identities: a user is known to an identity provider, and may sign in there.
type Identity struct {
	// Issuer is the provider's name, Subject what it calls the user for good. E-mail addresses are no names: providers give them to others.
	Issuer    string    `gorm:"primaryKey"`
	Subject   string    `gorm:"primaryKey"`
	UserID    string    `gorm:"not null"`
	CreatedAt time.Time `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (Identity) TableName() string { return "accounts_identities" }
