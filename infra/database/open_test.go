package database_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                      `must begin with "sqlite:" or "postgres://"`,
		"mysql://root:s3cret@localhost/x":       `must begin with "sqlite:" or "postgres://"`,
		"sqlite:":                               "needs a file",
		"sqlite::memory:":                       "in memory is not supported",
		"sqlite://data/x.db":                    `without "//"`,
		"sqlite:x.db?mode=ro":                   "takes no options",
		"postgres://u:s3cret@local host/x":      "not a valid postgres:// URL",
		"postgres://u:s3cret/x@localhost/x":     "not a valid postgres:// URL",
		"postgres://u:s3cret@localhost:99999/x": "port",
		"postgres://u:s3cret@localhost/x?sslmode=s3cret": "sslmode",
		"postgres:u:s3cret": "not a valid postgres:// URL",
	} {
		_, err := database.New(config.Database{URL: url}, zap.NewNop())
		require.ErrorContains(t, err, want, url)
		require.NotContains(t, err.Error(), "s3cret")
	}
	for url, want := range map[string]database.Dialect{
		"sqlite:data/x.db": database.SQLite, "sqlite:/tmp/x.db": database.SQLite, "sqlite:///tmp/x.db": database.SQLite,
		"SQLite:x.db": database.SQLite, "postgres://u:p@localhost/x": database.Postgres, "postgresql:///x?host=/run": database.Postgres,
	} {
		db, err := database.New(config.Database{URL: url}, zap.NewNop())
		require.NoError(t, err, url)
		require.Equal(t, want, db.Dialect(), url)
		require.NoError(t, db.Close(t.Context()), "closing without opening")
	}
}

func TestNothingIsOpenedBeforeOpen(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	db, err := database.New(config.Database{URL: "sqlite:" + folder + "/sub/x.db", MaxConns: 2}, zap.NewNop())
	require.NoError(t, err)
	ctx := t.Context()
	require.ErrorIs(t, db.Gorm().WithContext(ctx).First(&Lamp{}).Error, database.ErrNotOpen)
	require.ErrorIs(t, db.Gorm().WithContext(ctx).Raw("SELECT 1").Row().Scan(new(int)), database.ErrNotOpen)
	require.ErrorIs(t, db.InTx(ctx, nil), database.ErrNotOpen)
	require.ErrorIs(t, db.Ping(ctx), database.ErrNotOpen)
	require.ErrorIs(t, db.Migrate(ctx, nil), database.ErrNotOpen)
	require.Empty(t, db.Stats())
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestOpenAndClose(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		require.NoError(t, db.Open(t.Context()), "opening twice")
		require.NoError(t, db.Ping(t.Context()))
		require.NotEmpty(t, db.Stats())
		require.NoError(t, add(t.Context(), db, "one"))
		require.NoError(t, db.Close(t.Context()))
		require.NoError(t, db.Close(t.Context()))
		err := add(t.Context(), db, "two")
		require.ErrorIs(t, err, database.ErrNotOpen)
		require.Equal(t, app.Unavailable, app.CodeOf(err))
		require.NoError(t, db.Open(t.Context()), "opening again")
		require.Equal(t, 1, count(t.Context(), t, db))
	})
}

func TestSQLiteSettings(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	db := opened(t, cfg)
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "query_only": "0",
	} {
		var writer string
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			return db.Gorm().WithContext(ctx).Raw("PRAGMA " + pragma).Scan(&writer).Error
		}))
		require.Equal(t, want, writer, pragma)
		if pragma == "query_only" {
			want = "1"
		}
		var reader string
		require.NoError(t, db.Gorm().WithContext(t.Context()).Raw("SELECT * FROM pragma_"+pragma).Row().Scan(&reader))
		if pragma != "busy_timeout" { // its column is called timeout
			require.Equal(t, want, reader, pragma)
		}
	}
	require.NoError(t, add(t.Context(), db, "one"))
	require.NoError(t, db.Close(t.Context()))
	_, err := os.Stat(strings.TrimPrefix(cfg.URL, "sqlite:") + "-wal")
	require.ErrorIs(t, err, os.ErrNotExist, "the log is in the file")
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	db := opened(t, cfg)
	file := strings.TrimPrefix(cfg.URL, "sqlite:")
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(file, link))
	for _, url := range []string{cfg.URL, "sqlite:" + link} {
		second := cfg
		second.URL = url
		other, err := database.New(second, zap.NewNop())
		require.NoError(t, err)
		err = other.Open(t.Context())
		require.ErrorContains(t, err, strings.TrimPrefix(url, "sqlite:"))
		require.ErrorContains(t, err, "another process")
	}
	require.NoError(t, db.Close(t.Context()))
	require.NoError(t, db.Open(t.Context()))
}

func TestUnusableFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600))
	for file, want := range map[string]string{
		folder:      "it is a folder",
		text:        "it is not a SQLite database",
		text + "/x": "not a directory",
	} {
		cfg := settings(t, database.SQLite)
		cfg.URL = "sqlite:" + file
		db, err := database.New(cfg, zap.NewNop())
		require.NoError(t, err)
		err = db.Open(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "open database "+file)
		require.NoError(t, db.Close(t.Context()))
	}
}

func TestOddFileNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with space.db", "100%.db", "a&b=c.db", "ünïcode.db", "plus+.db"} {
		cfg := settings(t, database.SQLite)
		file := filepath.Join(t.TempDir(), name)
		cfg.URL = "sqlite:" + file
		opened(t, cfg)
		_, err := os.Stat(file)
		require.NoError(t, err, name)
	}
}

func TestPostgresThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	cfg := config.Database{URL: "postgres://u:s3cret@/x?host=" + t.TempDir(), MaxConns: 2,
		BusyTimeout: time.Second, OpenTimeout: 100 * time.Millisecond}
	db, err := database.New(cfg, zap.NewNop())
	require.NoError(t, err)
	err = db.Open(t.Context())
	require.ErrorContains(t, err, `open database "x" on`)
	require.NotContains(t, err.Error(), "s3cret")
}

func TestPostgresThatRefusesIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.Postgres)
	cfg.URL = strings.Replace(cfg.URL, "/plugboard?", "/no_such_database?", 1)
	if !strings.Contains(cfg.URL, "no_such_database") {
		t.Skip("the test database is not called plugboard")
	}
	cfg.OpenTimeout = time.Hour
	db, err := database.New(cfg, zap.NewNop())
	require.NoError(t, err)
	require.ErrorContains(t, db.Open(t.Context()), "no_such_database")
}

// app.Contains means the same on both databases, beyond ASCII too.
func TestContains(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		for _, name := range []string{"Straße ÄÖÜ", "100%", "a_b", "ΔΕΛΤΑ", `back\slash`} {
			require.NoError(t, add(t.Context(), db, name))
		}
		for text, want := range map[string]int64{"äö": 1, "ÄÖ": 1, "δελ": 1, "%": 1, "_": 1, `\`: 1, "STRASSE": 0, "S": 2, "'": 0} {
			var n int64
			require.NoError(t, db.Gorm().WithContext(t.Context()).Model(&Lamp{}).Where(app.Contains("name", text)).Count(&n).Error)
			require.Equal(t, want, n, text)
		}
	})
}

// What was created equals what is read.
func TestTimesAreTheSameOnBoth(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		h := db.Gorm().WithContext(t.Context())
		made := Lamp{Name: "made", Watts: 1}
		require.NoError(t, h.Create(&made).Error)
		zoned := Lamp{Name: "zoned", Watts: 1, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 600000, time.FixedZone("", 7200))}
		require.NoError(t, h.Create(&zoned).Error)
		var found Lamp
		require.NoError(t, h.First(&found, made.ID).Error)
		require.Equal(t, made.CreatedAt, found.CreatedAt.UTC())
		var early Lamp
		require.NoError(t, h.Where("created_at < ?", made.CreatedAt).Limit(1).Offset(0).Order("created_at").First(&early).Error)
		require.True(t, zoned.CreatedAt.Equal(early.CreatedAt))
		require.Equal(t, time.UTC, early.CreatedAt.UTC().Location())
	})
}

func TestHandleBasics(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		h := db.Gorm().WithContext(t.Context())
		lamps := []Lamp{{Name: "a", Watts: 1}, {Name: "b", Watts: 2}, {Name: "c", Watts: 3}}
		require.NoError(t, h.Create(&lamps).Error)
		require.Equal(t, []int64{1, 2, 3}, []int64{lamps[0].ID, lamps[1].ID, lamps[2].ID})
		result := h.Model(&Lamp{ID: 2}).Updates(map[string]any{"watts": 20})
		require.NoError(t, result.Error)
		require.EqualValues(t, 1, result.RowsAffected)
		var page []Lamp
		require.NoError(t, h.Order("id").Offset(1).Find(&page).Error)
		require.Len(t, page, 2)
		require.NoError(t, h.Delete(&Lamp{}, 1).Error)
		require.NoError(t, h.Transaction(func(tx *gorm.DB) error {
			require.NoError(t, tx.Create(&Lamp{Name: "d", Watts: 1}).Error)
			require.ErrorIs(t, tx.Transaction(func(tx *gorm.DB) error {
				require.NoError(t, tx.Create(&Lamp{Name: "e", Watts: 1}).Error)
				return errBoom
			}), errBoom)
			require.NoError(t, app.InTx(t.Context(), tx, func(ctx context.Context) error { return add(ctx, db, "f") }))
			return nil
		}))
		require.ErrorIs(t, h.Transaction(func(tx *gorm.DB) error {
			return errorsJoin(tx.Create(&Lamp{Name: "g", Watts: 1}).Error, errBoom)
		}), errBoom)
		var names []string
		require.NoError(t, h.Model(&Lamp{}).Order("name").Pluck("name", &names).Error)
		require.Equal(t, []string{"b", "c", "d", "f"}, names)
		rows, err := h.Raw("/* routed */ -- twice\n select name FROM lamps ORDER BY name").Rows()
		require.NoError(t, err)
		require.True(t, rows.Next())
		require.NoError(t, rows.Close())
		require.NoError(t, h.Raw("WITH x AS (SELECT 1 AS n) SELECT n FROM x").Row().Scan(new(int)))
	})
}

func errorsJoin(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
