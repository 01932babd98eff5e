package models

// UserRole mirrors the table accounts_user_roles: a user has a role.
type UserRole struct {
	UserID string `gorm:"primaryKey"`
	Role   string `gorm:"primaryKey"`
}

// TableName implements gorm's Tabler.
func (UserRole) TableName() string { return "accounts_user_roles" }
