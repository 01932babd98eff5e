package database_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/infra/database"
)

// otherLamp differs from the table lamps in every way that can be told.
type otherLamp struct {
	ID        string `gorm:"primaryKey"`
	Name      string `gorm:"not null"`
	Watts     *int64 `gorm:"primaryKey"`
	RoomID    *int64 `gorm:"uniqueIndex"`
	CreatedAt time.Time
	Colour    string
}

// TableName implements schema.Tabler.
func (otherLamp) TableName() string { return "lamps" }

type ghost struct{ ID int64 }

func TestCompareModels(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		require.Empty(t, database.CompareModels(t.Context(), db, []any{&Lamp{}}))
		text := errors.Join(database.CompareModels(t.Context(), db, []any{&otherLamp{}, &ghost{}})...).Error()
		for _, want := range []string{
			"field ID is text, column id is an integer",
			"field Watts in the primary key: true, column watts: false",
			"field CreatedAt not null: false, column created_at: true",
			"field Colour has no column colour",
			"the model's unique index on (room_id) is missing in the table",
			"the table's unique index on (name) is missing in the model",
			"table ghosts: there is no such table",
		} {
			require.ErrorContains(t, errors.New(text), want)
		}
	})
}
