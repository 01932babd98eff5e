package models

// Administrator is the role that every service has. It has all permissions.
const Administrator = "administrator"

// Role mirrors the table accounts_roles.
type Role struct {
	Name string `gorm:"primaryKey"`
	// Permissions are separated by spaces; * is all of them.
	Permissions string `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (Role) TableName() string { return "accounts_roles" }
