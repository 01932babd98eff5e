// Package models holds an entity as a domain's models package does, for the tests of the response check.
package models

// Product is a table.
type Product struct {
	ID   int64  `json:"id" gorm:"primaryKey"`
	Name string `json:"name"`
}
