package database

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"gorm.io/gorm/schema"
)

// Table is a table as its GORM model describes it.
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

// modelUniques returns the columns of each unique index of a model, joined by commas.
func modelUniques(model *schema.Schema) []string {
	var uniques []string
	for _, index := range model.ParseIndexes() {
		if index.Class != "UNIQUE" {
			continue
		}
		var columns []string
		for _, f := range index.Fields {
			if f.Field == nil || f.Expression != "" {
				columns = nil
				break
			}
			columns = append(columns, f.DBName)
		}
		if columns != nil {
			uniques = append(uniques, strings.Join(columns, ","))
		}
	}
	for _, unique := range model.ParseUniqueConstraints() {
		uniques = append(uniques, unique.Field.DBName)
	}
	return uniques
}
