package models

import "time"

// Device mirrors the table accounts_devices: a browser that has signed its user in before.
type Device struct {
	// TokenHash is the SHA-256 of the token in the device's cookie.
	TokenHash []byte    `gorm:"primaryKey"`
	UserID    string    `gorm:"not null"`
	UsedAt    time.Time `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (Device) TableName() string { return "accounts_devices" }
