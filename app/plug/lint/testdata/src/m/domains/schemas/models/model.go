package models

// Row mirrors a table.
type Row struct {
	ID int64 `gorm:"primaryKey"`
}

func (Row) Topic() string { return "row" }

// Tagless mirrors one as well.
type Tagless struct{ ID int64 }

func (Tagless) TableName() string { return "tagless" }

// State is a column's type.
type State string

type CreateRequest struct { // want `CreateRequest mirrors no table`
	Name string
}

type Answer struct {
	ID   int64  `gorm:"primaryKey"`
	Name string `json:"name"` // want `an entity mirrors a table and has no json tag`
}

func Price() int { return 1 } // want `move func Price into the plugin`
