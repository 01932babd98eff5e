package clients_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// root is the folder of the service's module.
const root = "../../.."

// build builds the service and returns the binary's name.
func build(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "plugboard")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", name, ".")
	cmd.Dir = root
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	return name
}

// start runs the service on a free port and a new database until the test ends, and returns its address.
func start(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(build(t), "serve")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "APP_HTTP_ADDR=127.0.0.1:0", "APP_OPS_ADDR=off", "APP_LOG_FORMAT=json",
		"APP_DATABASE_URL=sqlite:" + filepath.Join(cmd.Dir, "service.db"),
	}
	output, err := cmd.StderrPipe()
	require.NoError(t, err)
	cmd.Stdout = cmd.Stderr
	require.NoError(t, cmd.Start())
	ready, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		watch(output, ready)
	}()
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		<-ended
		require.NoError(t, cmd.Wait())
	})
	select {
	case address := <-ready:
		return address
	case <-ended:
		t.Fatal("the service ended before it was ready")
	case <-time.After(time.Minute):
		t.Fatal("the service is not ready after a minute")
	}
	return ""
}

// watch reads the service's log to its end and sends the address that the record of its readiness has.
func watch(output io.Reader, ready chan<- string) {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var record struct{ Message, Address string }
		if json.Unmarshal(lines.Bytes(), &record) == nil && record.Message == "ready" && strings.HasPrefix(record.Address, "http") {
			ready <- record.Address
		}
	}
}
