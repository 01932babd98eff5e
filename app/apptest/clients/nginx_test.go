package clients_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy runs nginx until the test ends and returns the address under which it passes requests on to the service, which has a
// path prefix: "http://127.0.0.1:8888/shop". Without nginx the test is skipped.
func proxy(t *testing.T, service string) string {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		if _, err := os.Stat("/usr/sbin/nginx"); err != nil {
			t.Skip("NO NGINX: THE PAGE AT /docs IS NOT CHECKED BEHIND A PREFIX")
		}
		binary = "/usr/sbin/nginx"
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755)) //nolint:gosec // nginx, started as root, works as somebody else
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	config := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server {
		listen %[2]s;
		location /shop/ { proxy_pass %[3]s/; }
	}
}
`, dir, address, service)
	name := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(name, []byte(config), 0o600))
	cmd := exec.Command(binary, "-p", dir, "-c", name)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it was asked to end
	})
	prefixed := "http://" + address + "/shop"
	require.Eventually(t, func() bool {
		answer, err := http.Get(prefixed + "/livez")
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	}, time.Minute, 50*time.Millisecond)
	return prefixed
}
