// Package models holds the entities of the products domain, one file per table.
package models

// Product mirrors the table products.
type Product struct {
	ID int64 `gorm:"primaryKey"`
	// Name is unique; two names that differ in case are two names.
	Name string `gorm:"not null;uniqueIndex:products_name_key"`
	// Price is greater than 0.
	Price float64 `gorm:"not null"`
}
