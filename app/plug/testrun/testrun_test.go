package testrun

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// newServer starts a server, and skips the test on machines without one: package testrun is what finds that out.
func newServer(t *testing.T) *server {
	t.Helper()
	m := thisMachine(t.Output())
	if _, ok := m.findPostgres(); !ok {
		t.Skip("there is no Postgres server on this machine")
	}
	s, err := m.startServer(t.Context())
	require.NoError(t, err)
	return s
}

func TestAServerIsThereUntilItIsStopped(t *testing.T) {
	t.Parallel()
	s, other := newServer(t), newServer(t)
	require.NotEqual(t, s.url(), other.url())
	require.NoError(t, other.stop())
	conn, err := pgx.Connect(t.Context(), s.url())
	require.NoError(t, err)
	var encoding, zone string
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT current_setting('server_encoding'), current_setting('timezone')").Scan(&encoding, &zone))
	require.Equal(t, []string{"UTF8", "UTC"}, []string{encoding, zone})

	require.NoError(t, s.stop(), "with a connection open")
	require.NoError(t, s.stop(), "twice")
	require.NoDirExists(t, s.dir)
	require.ErrorIs(t, syscall.Kill(s.cmd.Process.Pid, 0), syscall.ESRCH, "its process has ended")
	_, err = conn.Exec(context.WithoutCancel(t.Context()), "SELECT 1")
	require.Error(t, err)
}

// A statement that fails is a line of the server's log, however long, and the server waits for the log's reader.
func TestALongLineDoesNotStopTheServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	conn, err := pgx.Connect(t.Context(), s.url())
	require.NoError(t, err)
	const length, times = 200_000, 20 // a pipe holds 64 kB
	for range times {
		_, err := conn.Exec(t.Context(), "SELECT '"+strings.Repeat("x", length)+"' FROM nothing")
		require.ErrorContains(t, err, `relation "nothing" does not exist`)
	}
	require.NoError(t, conn.Close(t.Context()))
	require.NoError(t, s.stop())
}

func TestAServerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	m := thisMachine(t.Output())
	bin, _ := m.findPostgres()
	who, err := serverOwner()
	require.NoError(t, err)
	second := &server{dir: s.dir, done: make(chan struct{})} // on the data of the first
	err = second.start(t.Context(), bin, who)
	require.ErrorContains(t, err, "start Postgres: it ended; its log:")
	require.ErrorContains(t, err, "postmaster.pid")

	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := m.startServer(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// module writes a module with one test.
func module(t *testing.T, test string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.org/tested\n\ngo 1.26\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x_test.go"), []byte("package tested\n\n"+test), 0o600))
	return dir
}

// The tests see the server, and what they printed is there; afterwards the server is gone.
func TestRun(t *testing.T) {
	newServerOrSkip(t)
	t.Setenv(URLVariable, "")
	var stdout, stderr bytes.Buffer
	run := func(test string, args ...string) (string, error) {
		stdout.Reset()
		stderr.Reset()
		err := Tests{Dir: module(t, test), Args: args, Stdout: &stdout, Stderr: &stderr}.Run(t.Context())
		return stdout.String() + stderr.String(), err
	}
	const seen = `import ("os"; "testing")
func TestSeen(t *testing.T) { t.Log("at", os.Getenv("` + URLVariable + `"), "with CGO", os.Getenv("CGO_ENABLED")) }
func TestBroken(t *testing.T) { t.Error("broken at", os.Getenv("` + URLVariable + `")) }
`
	text, err := run(seen, "-v", "-run", "TestSeen", ".")
	require.NoError(t, err, text)
	_, address, _ := strings.Cut(text, "at ")
	address, _, _ = strings.Cut(address, " ")
	u, err := url.Parse(address)
	require.NoError(t, err)
	require.Contains(t, u.Query().Get("host"), "plug-postgres-")
	require.NoDirExists(t, u.Query().Get("host"))

	t.Setenv(URLVariable, "postgres://mine")
	text, err = run(seen) // all packages
	require.ErrorIs(t, err, ErrFailed)
	require.Contains(t, text, "broken at postgres://mine")
}

func newServerOrSkip(t *testing.T) {
	t.Helper()
	if _, ok := thisMachine(t.Output()).findPostgres(); !ok {
		t.Skip("there is no Postgres server on this machine")
	}
}

// Tests that are interrupted end with all that they started, and so does the server.
func TestRunIsInterrupted(t *testing.T) {
	newServerOrSkip(t)
	t.Setenv(URLVariable, "")
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	dir := module(t, `import ("fmt"; "net"; "os"; "os/exec"; "testing")
func TestHangs(t *testing.T) {
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil { t.Fatal(err) }
	conn, err := net.Dial("tcp", "`+listener.Addr().String()+`")
	if err != nil { t.Fatal(err) }
	fmt.Fprintln(conn, os.Getpid(), child.Process.Pid, os.Getenv("`+URLVariable+`"))
	select {}
}
`)
	ctx, cancel := context.WithCancelCause(t.Context())
	failed := make(chan error, 1)
	go func() {
		failed <- Tests{Dir: dir, Stdout: t.Output(), Stderr: t.Output()}.Run(ctx)
	}()
	conn, err := listener.Accept()
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	words := strings.Fields(line)
	u, err := url.Parse(words[2])
	require.NoError(t, err)
	require.DirExists(t, u.Query().Get("host"))

	enough := errors.New("enough")
	cancel(enough)
	require.ErrorIs(t, <-failed, enough)
	require.NoDirExists(t, u.Query().Get("host"))
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err, "the test's process has ended")
	for _, word := range words[:2] {
		pid, err := strconv.Atoi(word)
		require.NoError(t, err)
		require.False(t, runs(pid), "process %d is left", pid)
	}
}

// runs reports whether a process runs. One that has ended may be listed until its parent has asked for its outcome.
func runs(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}
