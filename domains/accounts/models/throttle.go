package models

// Throttle mirrors the table accounts_throttles: how much of a limit is used up.
type Throttle struct {
	// NameHash is the SHA-256 of what is limited, such as an address.
	NameHash []byte `gorm:"primaryKey"`
	// FullAt is when the limit is unused again, in microseconds since 1970.
	FullAt int64 `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (Throttle) TableName() string { return "accounts_throttles" }
