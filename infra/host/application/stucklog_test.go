package application_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/infra/host/cli"
)

// spawnStuck starts a childApp whose standard error and output are one full pipe that nobody reads. It is ready.
func spawnStuck(t *testing.T, name string, environ ...string) (cmd *exec.Cmd, url string, reader *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = reader.Close(); _ = writer.Close() })
	fill(t, writer)
	addr := freeAddr(t)
	cmd = exec.Command(os.Args[0])
	cmd.Env = append([]string{
		childVariable + "=" + name, "APP_HTTP_ADDR=" + addr, "APP_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "test.db"),
	}, environ...)
	cmd.Stdout, cmd.Stderr = writer, writer
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	url = "http://" + addr
	caller, deadline := client(t), time.Now().Add(patience)
	for {
		if answer, err := caller.Get(url + "/readyz"); err == nil {
			require.NoError(t, answer.Body.Close())
			if answer.StatusCode == http.StatusOK {
				return cmd, url, reader
			}
		}
		require.True(t, time.Now().Before(deadline), "it does not become ready")
	}
}

// ended waits for the end of cmd and returns its exit code.
func ended(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	_ = soon(t, exited, "the exit")
	return cmd.ProcessState.ExitCode()
}

var droppedRecords = regexp.MustCompile(`(?m)^plugboard_log_dropped_total\{reason="full"\} (\S+)$`)

// When nobody read the pipe that the service logged to, everything stood still after 264 requests, /livez too, and
// SIGTERM did nothing. Now every answer comes, the log drops records and counts them, and the stop takes no longer.
func TestNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	const requests = 10_000
	for _, format := range []string{"json", "console"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			ops := freeAddr(t)
			cmd, url, reader := spawnStuck(t, "load", "APP_LOG_FORMAT="+format, "APP_OPS_ADDR="+ops)
			var clients sync.WaitGroup
			const crowd = 4
			for range crowd {
				caller := client(t)
				clients.Go(func() {
					for range requests / crowd {
						if !answered(t, caller, url+"/livez", http.StatusOK) {
							return
						}
					}
				})
			}
			clients.Wait()
			caller := client(t)
			require.True(t, answered(t, caller, url+"/"+strings.Repeat("%01", 20_000), http.StatusNotFound))
			require.Positive(t, droppedOf(t, caller, "http://"+ops))

			if format == "json" { // somebody reads it after all
				told := make(chan string, 1)
				go func() { told <- readUntil(reader, "log records were dropped") }()
				require.True(t, answered(t, caller, url+"/livez", http.StatusOK))
				require.Contains(t, soon(t, told, "the record of what was dropped"), `"level":"warn"`)
				go func() { _, _ = io.Copy(io.Discard, reader) }()
			}
			begin := time.Now()
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			require.Equal(t, cli.ExitClean, ended(t, cmd))
			require.Less(t, time.Since(begin), 15*time.Second)
		})
	}
}

func answered(t *testing.T, caller *http.Client, url string, status int) bool {
	answer, err := caller.Get(url)
	if err != nil {
		t.Errorf("no answer: %v", err)
		return false
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode != status {
		t.Errorf("answered %d", answer.StatusCode)
	}
	return answer.StatusCode == status
}

// droppedOf asks the service how many log records it has dropped.
func droppedOf(t *testing.T, caller *http.Client, url string) int {
	t.Helper()
	answer, err := caller.Get(url + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	found := droppedRecords.FindSubmatch(text)
	require.NotNil(t, found)
	n, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(t, err)
	return int(n)
}

// readUntil reads r until it has read a line with text, which it returns.
func readUntil(r io.Reader, text string) string {
	var all strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := r.Read(buffer)
		all.Write(buffer[:n])
		if _, after, found := strings.Cut(all.String(), text); found && strings.Contains(after, "\n") {
			before := all.String()[:all.Len()-len(after)]
			after, _, _ = strings.Cut(after, "\n")
			return before[strings.LastIndexByte(before, '\n')+1:] + after
		}
		if err != nil {
			return all.String()
		}
	}
}

// An error that ends the start is the most useful line of all: it is written, in the normal case, whatever comes next.
func TestAFailedStartIsToldAfterTheLog(t *testing.T) {
	t.Parallel()
	c := spawn(t, "fails at start", "APP_LOG_LEVEL=debug")
	require.Equal(t, cli.ExitFailed, c.exit(t))
	text := c.stderr.String()
	require.Contains(t, text, `"message":"open the database"`)
	require.Regexp(t, `the application did not start: start hook of [^\n]+: no route to host\n$`, text)
}

// What libraries write to the log package's logger must not wait for the reader of the log either.
func TestTheStandardLoggerIsOurs(t *testing.T) {
	t.Parallel()
	c := spawn(t, "logs by the standard library")
	soon(t, c.addr, "the start")
	c.terminate(t)
	require.Equal(t, cli.ExitClean, c.exit(t))
	require.Contains(t, c.stderr.String(), `"message":"a library has something to say"`)
}

// A closed terminal, a reload by habit: SIGHUP killed the service within 8 ms, and requests with it.
func TestHangUpStopsLikeATermination(t *testing.T) {
	t.Parallel()
	hearHangups()
	c := spawn(t, "load")
	url := soon(t, c.addr, "the start")
	done := make(chan int, 1)
	caller := client(t)
	go func() {
		answer, err := caller.Post(url+"/slow", "application/json", strings.NewReader(`{"id":1}`))
		if err != nil {
			done <- 0
			return
		}
		_ = answer.Body.Close()
		done <- answer.StatusCode
	}()
	soon(t, c.stdout.seen("entered 1"), "the request")
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
	require.Equal(t, http.StatusOK, soon(t, done, "the answer"))
	require.Equal(t, cli.ExitClean, c.exit(t))
	require.Contains(t, c.stderr.String(), `"message":"stopping","cause":"hangup"`)
}

// hearHangups has child processes get SIGHUP although the tests were started with nohup(1): they inherit that it is ignored, and
// not that it is handled.
func hearHangups() {
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
}

// SIGHUP ends a command as SIGTERM does, and a second one at once.
func TestHangUpTwice(t *testing.T) {
	t.Parallel()
	hearHangups()
	c := spawn(t, "hangs at stop", "APP_LIFECYCLE_STOP_TIMEOUT=10m")
	soon(t, c.addr, "the start")
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
	soon(t, c.stops, "the stop")
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-c.exited:
			require.Equal(t, 128+int(syscall.SIGHUP), c.exit(t))
			return
		case <-again.C:
			_ = c.cmd.Process.Signal(syscall.SIGHUP)
		}
	}
}

// Whoever starts the service with nohup(1) means it to outlive the terminal: an ignored SIGHUP stays ignored.
func TestNohup(t *testing.T) {
	t.Parallel()
	c := spawn(t, "nohup load")
	url := soon(t, c.addr, "the start")
	for range 3 {
		require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
		require.True(t, answered(t, client(t), url+"/livez", http.StatusOK))
	}
	c.terminate(t)
	require.Equal(t, cli.ExitClean, c.exit(t))
	require.Contains(t, c.stderr.String(), `"message":"stopping","cause":"terminated"`)
}
