package testrun

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// server is a Postgres server of a run.
type server struct {
	dir  string // its data and its socket
	cmd  *exec.Cmd
	log  tail
	done chan struct{} // closed when the process has ended
}

// The times that a server may take.
const (
	startTimeout = time.Minute
	stopTimeout  = 10 * time.Second
)

// serverUser is the name of the database's user, who may do everything.
const serverUser = "test"

// startServer starts a server in a folder of its own.
func (m machine) startServer(ctx context.Context) (_ *server, err error) {
	bin, err := m.postgres(ctx)
	if err != nil {
		return nil, err
	}
	who, err := serverOwner()
	if err != nil {
		return nil, err
	}
	s := &server{done: make(chan struct{})}
	if s.dir, err = os.MkdirTemp("", "plug-postgres-"); err != nil {
		return nil, fmt.Errorf("make a folder for Postgres: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(s.dir))
		}
	}()
	if err := who.own(s.dir); err != nil {
		return nil, fmt.Errorf("make a folder for Postgres: %w", err)
	}
	if err := s.init(ctx, bin, who); err != nil {
		return nil, err
	}
	if err := s.start(ctx, bin, who); err != nil {
		return nil, err
	}
	return s, nil
}

// command makes a command of the server's, which runs in its folder as its user, without what the environment says of other servers.
func (s *server) command(ctx context.Context, who owner, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // a program of Postgres
	cmd.Dir = s.dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "LC_") && !strings.HasPrefix(v, "LANG") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	apart(cmd, who)
	return cmd
}

// init makes an empty database, which everybody who can enter the folder may use.
func (s *server) init(ctx context.Context, bin string, who owner) error {
	cmd := s.command(ctx, who, filepath.Join(bin, "initdb"), "-D", filepath.Join(s.dir, "data"), "--username="+serverUser, "--auth=trust",
		"--locale=C.UTF-8", "--encoding=UTF8", "--no-sync")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a Postgres database in %s, where %s must be able to enter (TMPDIR says where to): %w\n%s", s.dir, who.orMe(), err, output)
	}
	return nil
}

// start starts the server and waits until it takes connections.
func (s *server) start(ctx context.Context, bin string, who owner) error {
	args := []string{"-D", filepath.Join(s.dir, "data")}
	for _, setting := range []string{
		"listen_addresses=", "unix_socket_directories=" + s.dir, "unix_socket_permissions=0700", "max_connections=300", "timezone=UTC",
		"fsync=off", "full_page_writes=off", "synchronous_commit=off", "log_destination=stderr", "logging_collector=off", "lc_messages=C",
	} {
		args = append(args, "-c", setting)
	}
	s.cmd = s.command(context.WithoutCancel(ctx), who, filepath.Join(bin, "postgres"), args...)
	untilParentEnds(s.cmd)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	started, ready := make(chan error, 1), make(chan struct{})
	go s.run(stderr, started, ready)
	if err := <-started; err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case <-ready:
		return nil
	case <-s.done:
		return fmt.Errorf("start Postgres: it ended; its log:\n%s", s.log.text())
	case <-limited.Done():
		return errors.Join(fmt.Errorf("start Postgres: %w; its log:\n%s", limited.Err(), s.log.text()), s.stop())
	}
}

// run starts the process and waits for its end, on a thread of its own: where the system ends a process with its parent, that is a thread.
func (s *server) run(stderr io.Reader, started chan<- error, ready chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.done)
	err := s.cmd.Start()
	if started <- err; err != nil {
		return
	}
	once := sync.OnceFunc(func() { close(ready) })
	// It is read to its end whatever it says: the server waits for the reader of its log. Of a long line, such as a statement that
	// failed, the rest is another line here.
	for lines := bufio.NewReader(stderr); ; {
		line, _, err := lines.ReadLine()
		if err != nil {
			break
		}
		s.log.add(string(line))
		if bytes.Contains(line, []byte("database system is ready to accept connections")) {
			once()
		}
	}
	_ = s.cmd.Wait() // it was told to end
}

// url is the server's, for clients on this machine.
func (s *server) url() string {
	u := url.URL{Scheme: "postgres", User: url.User(serverUser), Path: "/postgres", RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

// stop ends the server and deletes its folder.
func (s *server) stop() error {
	_ = signalServer(s.cmd) // it may have ended
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-s.done:
	case <-timer.C:
		_ = signalAll(s.cmd, os.Kill)
		<-s.done
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("delete the folder of Postgres: %w", err)
	}
	return nil
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	const most = 50
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, line); len(t.lines) > most {
		t.lines = t.lines[1:]
	}
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
