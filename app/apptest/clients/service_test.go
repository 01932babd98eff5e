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

// build builds the service and returns the binary's name. Further files of package main are given by name and source.
func build(t *testing.T, further ...string) string {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "plugboard")
	args := []string{"build", "-ldflags=-s -w", "-o", name}
	if len(further) > 0 {
		args = append(args, "-overlay", overlay(t, dir, further))
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, ".")...)
	cmd.Dir = root
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	return name
}

// overlay writes the file that has the go command see the given files of testdata, named "<name>.txt", in package main.
func overlay(t *testing.T, dir string, files []string) string {
	t.Helper()
	replace := map[string]string{}
	for _, name := range files {
		seen, err := filepath.Abs(filepath.Join(root, name))
		require.NoError(t, err)
		replace[seen], err = filepath.Abs(filepath.Join("testdata", name+".txt"))
		require.NoError(t, err)
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	name := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(name, text, 0o600))
	return name
}

// start builds the service and runs it until the test ends, and returns its address.
func start(t *testing.T) string {
	t.Helper()
	return run(t, build(t))
}

// run runs a binary of the service on a free port and a new database, with further settings, until the test ends, and
// returns its address.
func run(t *testing.T, binary string, settings ...string) string {
	t.Helper()
	cmd := exec.Command(binary, "serve")
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "APP_HTTP_ADDR=127.0.0.1:0", "APP_OPS_ADDR=off", "APP_LOG_FORMAT=json",
		"APP_DATABASE_URL=sqlite:" + filepath.Join(cmd.Dir, "service.db"),
	}, settings...)
	output, err := cmd.StderrPipe()
	require.NoError(t, err)
	cmd.Stdout = cmd.Stderr
	require.NoError(t, cmd.Start())
	ready, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		awaitReady(output, ready)
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

// awaitReady reads the log of the service to its end. It sends the address in the record of its readiness.
func awaitReady(output io.Reader, ready chan<- string) {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var record struct{ Message, Address string }
		if json.Unmarshal(lines.Bytes(), &record) == nil && record.Message == "ready" && strings.HasPrefix(record.Address, "http") {
			ready <- record.Address
		}
	}
}
