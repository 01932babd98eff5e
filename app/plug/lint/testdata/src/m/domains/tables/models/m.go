package models

type Order struct {
	ID int64 `gorm:"primaryKey"`
}

type Line struct{ ID int64 }

func (Line) TableName() string { return "order_lines" }
