package application_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// With 64 descriptors, 48 idle connections left none: the probes were not answered, and statements failed that needed
// a connection to the database. Now fewer connections are accepted, idle ones make room, and a warning says why.
func TestIdleConnectionsLeaveDescriptors(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	cmd := exec.Command("sh", "-c", `ulimit -n 64 && exec "$0"`, os.Args[0])
	var log output
	cmd.Stderr = &log
	cmd.Env = []string{
		childVariable + "=load", "APP_HTTP_ADDR=" + addr, "APP_LOG_FORMAT=json", "APP_HTTP_IDLE_TIMEOUT=1h",
		"APP_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "test.db"),
	}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	soon(t, log.seen(`"message":"ready"`), "the start")
	require.Contains(t, log.String(), `"the limit of open files is too low for http.max_connections, so that fewer connections are accepted; raise it (ulimit -n)","open_files":64,"max_connections":2048,"accepted":6}`)

	for range 48 { // each asks once, and then stays
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode)
	}
	for i, path := range []string{"/livez", "/readyz", "/slow", "/slow", "/slow"} {
		send := func() (*http.Response, error) { return client(t).Get("http://" + addr + path) }
		if path == "/slow" {
			body := strings.NewReader(fmt.Sprintf(`{"id":%d}`, i))
			send = func() (*http.Response, error) { return client(t).Post("http://"+addr+path, "application/json", body) }
		}
		answer, err := send()
		require.NoError(t, err, path)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode, path)
	}
	require.NotContains(t, log.String(), "too many open files")
}
