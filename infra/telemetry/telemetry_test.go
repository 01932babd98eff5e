package telemetry_test

import (
	"database/sql"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"plugboard/infra/telemetry"
)

func TestRegistryHasRuntimeProcessAndBuild(t *testing.T) {
	t.Parallel()
	registry, err := telemetry.New()
	require.NoError(t, err)
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, 200, answer.Code)
	for _, name := range []string{"go_goroutines", "process_open_fds", "go_build_info"} {
		require.Contains(t, answer.Body.String(), "\n"+name)
	}
}

func TestPoolCollector(t *testing.T) {
	t.Parallel()
	collector := telemetry.NewPoolCollector(func() map[string]sql.DBStats {
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
