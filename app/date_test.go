package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
)

func TestDatesAreStoredAndComparedOnBothDatabases(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		g := db.Open(t).WithContext(t.Context())
		require.NoError(t, g.Exec("CREATE TABLE days (id INTEGER PRIMARY KEY, due DATE NOT NULL)").Error)
		type day struct {
			ID  int64
			Due app.Date
		}
		for i, due := range []app.Date{app.NewDate(2026, 12, 31), app.NewDate(2026, 1, 1), app.NewDate(1, 1, 1)} {
			require.NoError(t, g.Table("days").Create(&day{int64(i + 1), due}).Error)
		}
		var found []day
		require.NoError(t, g.Table("days").Where("due > ?", app.NewDate(2025, 12, 31)).Order("due").Find(&found).Error)
		require.Equal(t, []day{{2, app.NewDate(2026, 1, 1)}, {1, app.NewDate(2026, 12, 31)}}, found)
		err := g.Table("days").Where("due = ?", app.Date{}).Take(&day{}).Error
		require.NoError(t, err, "the zero date is stored as any other")
		require.ErrorIs(t, g.Table("days").Where("due = ?", app.NewDate(2026, 1, 2)).Take(&day{}).Error, gorm.ErrRecordNotFound)
	})
}

func TestDatesCountDays(t *testing.T) {
	t.Parallel()
	d := app.NewDate(2024, time.February, 29)
	require.Equal(t, "2024-02-29", d.String())
	require.Equal(t, app.NewDate(2024, 3, 1), d.AddDate(0, 0, 1))
	require.Equal(t, app.NewDate(2025, 3, 1), d.AddDate(1, 0, 0))
	require.Equal(t, d, app.NewDate(2024, 2, 29))
	require.True(t, d.Before(app.NewDate(2024, 3, 1)) && app.NewDate(2024, 3, 1).After(d) && !d.After(d) && !d.Before(d))
	require.True(t, app.Date{}.IsZero())
	require.Equal(t, d, app.DateOf(time.Date(2024, 2, 29, 23, 59, 0, 0, time.FixedZone("", 3600))))
	_, err := app.NewDate(10000, 1, 1).MarshalText()
	require.Error(t, err)
	require.Error(t, new(app.Date).Scan(7))
}

// In some zones the clock is put forward at midnight: the day begins an hour later there.
func TestADateBeginsAtItsFirstInstant(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/Santiago", "Asia/Beirut", "Africa/Cairo", "America/Havana", "Pacific/Apia", "Asia/Kathmandu"} {
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err)
		for day := app.NewDate(2005, 1, 1); day.Before(app.NewDate(2011, 1, 1)); day = day.AddDate(0, 0, 1) {
			begin := day.In(loc)
			require.Equal(t, day, app.DateOf(begin), fmt.Sprint(zone, day))
			require.NotEqual(t, day, app.DateOf(begin.Add(-time.Nanosecond)), fmt.Sprint(zone, day, begin))
		}
	}
}

// A time that a plugin stores and answers with is the one that it reads again: Postgres keeps microseconds.
func TestTheClockTellsWhatDatabasesKeep(t *testing.T) {
	t.Parallel()
	for range 100 {
		now := app.SystemClock{}.Now()
		require.Zero(t, now.Nanosecond()%1000)
		require.Equal(t, time.UTC, now.Location())
	}
}
