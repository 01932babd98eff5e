package application_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A developer's status file shows in browsers, to nobody else, and never in production.
func TestTheStatusFileShowsInDevelopmentAlone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "status")
	require.NoError(t, os.WriteFile(file, []byte("the build failed"), 0o600))
	for _, c := range []struct {
		env, accept string
		status      int
	}{
		{"development", "text/html", http.StatusInternalServerError},
		{"development", "*/*", http.StatusOK},
		{"production", "text/html", http.StatusOK},
	} {
		child := spawn(t, "load", "PLUG_DEV_STATUS="+file, "APP_ENV="+c.env)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, soon(t, child.addr, "the start")+"/livez", http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Accept", c.accept)
		answer, err := client(t).Do(r)
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, c.status, answer.StatusCode, c)
		require.Equal(t, c.status == http.StatusInternalServerError, strings.Contains(string(text), "the build failed"), c)
		child.terminate(t)
		require.Zero(t, child.exit(t))
	}
}
