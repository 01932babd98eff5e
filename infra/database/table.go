package database

import (
	"fmt"
	"slices"
	"sync"

	"gorm.io/gorm/schema"
)

// Table is a table as its GORM model describes it; see [CompareModels], which holds models against migrated tables.
type Table struct {
	Name    string
	Columns []Column
	// Uniques are the columns of each unique index, joined by commas.
	Uniques []string
}

// Column is a column of a [Table].
type Column struct {
	Name string
	// Field is the model's field, Type its Go type.
	Field, Type string
	// Key tells that the column is part of the primary key, Null that it may be NULL.
	Key, Null bool
}

// TableOf returns the table that a model, a struct or a pointer to one, mirrors. It asks no database.
func (db *DB) TableOf(model any) (Table, error) {
	parsed, err := schema.Parse(model, &sync.Map{}, db.gorm.NamingStrategy)
	if err != nil {
		return Table{}, fmt.Errorf("parse model %T: %w", model, err)
	}
	t := Table{Name: parsed.Table, Uniques: modelUniques(parsed)}
	slices.Sort(t.Uniques) // GORM keeps indexes in a map
	for _, field := range parsed.Fields {
		if field.DBName != "" {
			t.Columns = append(t.Columns, Column{
				Name: field.DBName, Field: field.Name, Type: field.FieldType.String(),
				Key: field.PrimaryKey, Null: !field.NotNull && !field.PrimaryKey,
			})
		}
	}
	return t, nil
}
