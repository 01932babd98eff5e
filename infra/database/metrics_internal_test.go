package database

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/config"
)

func TestPoolCollector(t *testing.T) {
	t.Parallel()
	collector := newPoolCollector(func() map[string]sql.DBStats {
		return map[string]sql.DBStats{
			"writer": {MaxOpenConnections: 1, InUse: 1, WaitCount: 7, WaitDuration: 1500 * time.Millisecond},
		}
	})
	require.NoError(t, testutil.CollectAndCompare(collector, strings.NewReader(`
# HELP database_pool_connections_idle Open connections nobody uses.
# TYPE database_pool_connections_idle gauge
database_pool_connections_idle{pool="writer"} 0
# HELP database_pool_connections_in_use Connections in use.
# TYPE database_pool_connections_in_use gauge
database_pool_connections_in_use{pool="writer"} 1
# HELP database_pool_connections_max Most connections the pool opens; 0 is no limit.
# TYPE database_pool_connections_max gauge
database_pool_connections_max{pool="writer"} 1
# HELP database_pool_wait_seconds_total How long all waited for connections.
# TYPE database_pool_wait_seconds_total counter
database_pool_wait_seconds_total{pool="writer"} 1.5
# HELP database_pool_waits_total How often somebody waited for a connection.
# TYPE database_pool_waits_total counter
database_pool_waits_total{pool="writer"} 7
`)))
	problems, err := testutil.CollectAndLint(collector)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestTheModuleRegistersThePoolsMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	require.NoError(t, fx.New(fx.NopLogger, Module, fx.Supply(zap.NewNop(), config.Database{URL: "sqlite:nowhere/x.db"}),
		fx.Provide(func() prometheus.Registerer { return registry }), fx.Invoke(func(*DB) {})).Err())
	require.ErrorAs(t, registry.Register(newPoolCollector(nil)), &prometheus.AlreadyRegisteredError{}, "it is registered")
}
