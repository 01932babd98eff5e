package database_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/database"
)

// A search for a part of a text reads the whole table. Sixteen at once used to hold every reader for half a minute: now a
// quarter of them search, each for a limited time, and all others get their answers.
func TestSearchesHoldAQuarterOfTheReadersForALimitedTime(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		const conns = 8
		cfg := settings(t, dialect)
		cfg.MaxConns, cfg.SearchTimeout = conns, 500*time.Millisecond
		base := opened(t, cfg)
		ctx := t.Context()
		pool, ok := base.Gorm().Statement.ConnPool.(app.Searcher)
		require.True(t, ok)

		// No index helps this one, and nothing ends it but its deadline.
		const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
		var n int
		err := pool.Search(ctx, func(ctx context.Context) error { return base.Gorm().WithContext(ctx).Raw(endless).Scan(&n).Error })
		require.Equal(t, app.TimedOut, app.CodeOf(err), "%v", err)

		begun, outcomes := make(chan struct{}), make(chan error)
		for range conns / 4 {
			go func() {
				outcomes <- pool.Search(ctx, func(ctx context.Context) error {
					begun <- struct{}{}
					<-ctx.Done()
					return ctx.Err()
				})
			}()
		}
		for range conns / 4 {
			<-begun
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, pool.Search(ended, nil), context.Canceled)
		require.NoError(t, base.Gorm().WithContext(ctx).Raw("SELECT 1").Scan(&n).Error)
		require.NoError(t, app.InTx(ctx, base.Gorm(), func(ctx context.Context) error { // has its connection already
			return pool.Search(ctx, func(ctx context.Context) error { return base.Gorm().WithContext(ctx).Raw("SELECT 1").Scan(&n).Error })
		}))
		for range conns / 4 {
			require.Equal(t, app.TimedOut, app.CodeOf(<-outcomes))
		}
	})
}

func TestASearchWithoutAPlaceIsRefused(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	cfg.SearchTimeout = 50 * time.Millisecond
	base := mustNew(t, cfg)
	pool, ok := base.Gorm().Statement.ConnPool.(app.Searcher)
	require.True(t, ok)
	err := pool.Search(t.Context(), func(context.Context) error { // the only place, longer than its time
		return pool.Search(t.Context(), func(context.Context) error { return nil })
	})
	require.Equal(t, app.Unavailable, app.CodeOf(err))
}
