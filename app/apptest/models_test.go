package apptest_test

import (
	"errors"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
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

// lampTables are the migrations of a domain with the table lamps.
func lampTables() fstest.MapFS {
	return fstest.MapFS{
		"sqlite/00001_lamps.sql": {Data: []byte(`-- +goose Up
CREATE TABLE lamps (id INTEGER PRIMARY KEY, name TEXT NOT NULL, watts INTEGER NOT NULL, room_id INTEGER, created_at DATETIME NOT NULL);
CREATE UNIQUE INDEX lamps_name ON lamps (name);
`)},
		"postgres/00001_lamps.sql": {Data: []byte(`-- +goose Up
CREATE TABLE lamps (id bigint PRIMARY KEY, name varchar(20) NOT NULL, watts bigint NOT NULL, room_id bigint, created_at timestamptz NOT NULL);
CREATE UNIQUE INDEX lamps_name ON lamps (name);
`)},
	}
}

type lamp struct {
	ID        int64  `gorm:"primaryKey"`
	Name      string `gorm:"not null;uniqueIndex"`
	Watts     int64  `gorm:"not null"`
	RoomID    *int64
	CreatedAt time.Time `gorm:"not null"`
}

func TestCompareModels(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, on apptest.Database) {
		db := apptest.New(t, on, app.Domain("lamps", app.Migrations(lampTables()))).Host().DB()
		require.Empty(t, apptest.CompareModels(t.Context(), db, []any{&lamp{}}))
		text := errors.Join(apptest.CompareModels(t.Context(), db, []any{&otherLamp{}, &ghost{}})...).Error()
		for _, want := range []string{
			"field ID is text, column id is an integer",
			"field Watts in the primary key: true, column watts: false",
			"field CreatedAt not null: false, column created_at: true",
			"field Colour has no column colour",
			"the model's unique index on (room_id) is missing in the table",
			"the table's unique index on (name) is missing in the model",
			"there is no table ghosts",
		} {
			require.ErrorContains(t, errors.New(text), want)
		}
	})
}
