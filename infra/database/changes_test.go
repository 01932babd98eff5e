package database_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
)

// Whoever has changed something finds another number afterwards, however it was changed. On Postgres, where other processes change things, there is
// none.
func TestChanges(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		ctx := apptest.Context(t)
		h := db.Open(t).WithContext(ctx)
		if h.Name() == "postgres" {
			_, ok := app.Changes(h)
			require.False(t, ok)
			return
		}
		require.NoError(t, h.Exec("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").Error)
		type thing struct {
			ID   int64
			Name string
		}
		changes := func() uint64 {
			n, ok := app.Changes(h)
			require.True(t, ok)
			return n
		}
		for name, change := range map[string]func() error{
			"exec":   func() error { return h.Exec("INSERT INTO things (name) VALUES ('a')").Error },
			"create": func() error { return h.Create(&thing{Name: "b"}).Error },
			"returning": func() error {
				return h.Raw("INSERT INTO things (name) VALUES ('c') RETURNING id").Scan(new(int64)).Error
			},
			"in tx": func() error {
				return app.InTx(ctx, h, func(ctx context.Context) error { return h.WithContext(ctx).Create(&thing{Name: "d"}).Error })
			},
			"transaction": func() error {
				return h.Transaction(func(tx *gorm.DB) error { return tx.Create(&thing{Name: "e"}).Error })
			},
		} {
			before := changes()
			require.NoError(t, change(), name)
			require.Greater(t, changes(), before, name)
		}
		before := changes()
		require.NoError(t, h.Find(new([]thing)).Error)
		require.Equal(t, before, changes(), "reading changes nothing")
	})
}

// What is kept under a number is never older than a change that was reported as made before.
func TestNothingStaleIsKept(t *testing.T) {
	t.Parallel()
	ctx := apptest.Context(t)
	h := apptest.SQLite(t).Open(t).WithContext(ctx)
	require.NoError(t, h.Exec("CREATE TABLE counts (n INTEGER NOT NULL)").Error)
	require.NoError(t, h.Exec("INSERT INTO counts VALUES (0)").Error)
	var mu sync.Mutex
	kept := map[uint64]int64{}
	read := func(ctx context.Context) (n int64) {
		changes, _ := app.Changes(h)
		mu.Lock()
		n, ok := kept[changes]
		mu.Unlock()
		if ok {
			return n
		}
		require.NoError(t, h.WithContext(ctx).Raw("SELECT n FROM counts").Scan(&n).Error)
		mu.Lock()
		kept[changes] = n
		mu.Unlock()
		return n
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		own := apptest.Context(t)
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					read(own)
				}
			}
		})
	}
	const rounds = 2000
	for i := int64(1); i <= rounds; i++ {
		var err error
		if i%2 == 0 {
			err = h.Exec("UPDATE counts SET n = ?", i).Error
		} else {
			err = app.InTx(ctx, h, func(ctx context.Context) error { return h.WithContext(ctx).Exec("UPDATE counts SET n = ?", i).Error })
		}
		require.NoError(t, err)
		require.GreaterOrEqual(t, read(ctx), i)
	}
	close(done)
	readers.Wait()
}
