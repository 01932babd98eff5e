package database_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/database"
)

// Another version of the service adds a column: what this one has prepared with SELECT * no longer fits the table, on each
// of its connections. Neither a statement by itself nor a transaction of many fails for it.
func TestAChangedTableFailsNoStatement(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.Postgres)
	db := opened(t, cfg)
	require.NoError(t, add(t.Context(), db, "a"))
	const statements = 8 // more than a transaction has attempts
	read := func(ctx context.Context) error {
		for i := range statements {
			var l Lamp
			if err := db.Gorm().WithContext(ctx).Where(fmt.Sprintf("%d = %d", i, i)).First(&l).Error; err != nil {
				return err
			}
		}
		return nil
	}
	everywhere := func() { // on all connections at the same time
		var all, tasks sync.WaitGroup
		all.Add(cfg.MaxConns)
		for range cfg.MaxConns {
			tasks.Go(func() {
				first := true
				err := db.InTx(t.Context(), func(ctx context.Context) error {
					if err := read(ctx); err != nil {
						return err
					}
					if first {
						all.Done()
						all.Wait()
					}
					first = false
					return nil
				})
				if err != nil && first {
					all.Done()
				}
				require.NoError(t, err)
			})
		}
		tasks.Wait()
	}
	everywhere()
	change := func(n int) {
		_, err := opened(t, cfg).ExecContext(t.Context(), fmt.Sprintf("ALTER TABLE lamps ADD COLUMN more%d TEXT NOT NULL DEFAULT ''", n))
		require.NoError(t, err)
	}
	change(1)
	require.NoError(t, read(t.Context()))
	everywhere()
	change(2)
	everywhere()
}
