package models

// User mirrors the table users.
type User struct {
	ID       int64  `gorm:"primaryKey"`
	Birthday string `gorm:"column:born_on" secret:"true"`
	IBAN     string `secret:"true"`
	Name     string
}
