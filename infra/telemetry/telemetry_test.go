package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"
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
