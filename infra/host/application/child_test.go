package application_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/host/cli"
	"plugboard/infra/httpserver"
	"plugboard/infra/logging"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

// childApp is the application that this test binary runs as a process of its own.
func childApp(name string) fx.Option {
	name, ignore := strings.CutPrefix(name, "nohup ")
	if ignore { // as nohup(1) does
		signal.Ignore(syscall.SIGHUP)
	}
	parts := map[string]fx.Option{
		"load": app.Domain("load",
			app.Migrations(fstest.MapFS{
				"sqlite/00001_hits.sql":   {Data: []byte("-- +goose Up\nCREATE TABLE hits (id INTEGER PRIMARY KEY);\n")},
				"postgres/00001_hits.sql": {Data: []byte("-- +goose Up\nCREATE TABLE hits (id BIGINT PRIMARY KEY);\n")},
			}),
			app.Plugin[*slow]("load.slow", newSlow),
			boots("load.stream", func(b *app.Boot) {
				b.Raw(http.MethodGet, "/stream", stream, app.Timeout(0))
			})),
		"orders":         orders("mail"),
		"other orders":   orders("letters"),
		"renamed orders": orders("letters", "mail"),
		"reports":        reports(),
		"fails at start": fx.Invoke(onStart(func(context.Context) error { return errors.New("no route to host") })),
		"logs by the standard library": fx.Invoke(onStart(func(context.Context) error {
			log.Print("a library has something to say")
			return nil
		})),
		"hangs at stop": fx.Invoke(onStop(func(context.Context) error { select {} })),
		"waits at start": fx.Invoke(onStart(func(ctx context.Context) error {
			fmt.Println("starting")
			<-ctx.Done()
			return ctx.Err()
		})),
	}
	return fx.Options(logging.Module, telemetry.Module, database.Module, workpool.Module, eventbus.Module, httpserver.Module, parts[name])
}

// slow takes its time, and then writes: the database must be open until the last request is answered.
type slow struct{ db *gorm.DB }

type slowRequest struct {
	ID int64 `json:"id"`
}

func newSlow(db *gorm.DB) *slow { return &slow{db} }

func (s *slow) OnBoot(b *app.Boot) { b.POST("/slow", app.Handle(s.Execute)) }

func (s *slow) Execute(ctx context.Context, req slowRequest) (slowRequest, error) {
	fmt.Println("entered", req.ID)
	select {
	case <-time.After(time.Duration(20+rand.IntN(100)) * time.Millisecond):
	case <-ctx.Done():
		return req, ctx.Err()
	}
	return req, s.db.WithContext(ctx).Exec("INSERT INTO hits (id) VALUES (?)", req.ID).Error
}

// stream goes on until the service is told to stop, and then takes its leave.
func stream(c *gin.Context) {
	_, _ = io.WriteString(c.Writer, "open\n")
	c.Writer.Flush()
	<-c.Request.Context().Done()
	_, _ = io.WriteString(c.Writer, "end\n")
}

// child is a running childApp.
type child struct {
	cmd    *exec.Cmd
	stdout output
	stderr output
	addr   chan string   // receives the address once it is ready
	stops  chan struct{} // closed when it logs that it stops
	exited chan struct{}
}

// spawn starts a childApp on a free port. It ends with the test at the latest.
func spawn(t *testing.T, name string, environ ...string) *child {
	t.Helper()
	c := &child{addr: make(chan string, 1), stops: make(chan struct{}), exited: make(chan struct{})}
	c.cmd = exec.Command(os.Args[0])
	c.cmd.Env = append([]string{
		childVariable + "=" + name, "APP_HTTP_ADDR=127.0.0.1:0", "APP_LOG_FORMAT=json",
		"APP_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "test.db"),
	}, environ...)
	c.cmd.Stdout = &c.stdout
	stderr, err := c.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	go c.follow(stderr)
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.exited
	})
	return c
}

// follow reads the child's log to its end, and then its exit code.
func (c *child) follow(stderr io.Reader) {
	defer close(c.exited)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		_, _ = fmt.Fprintln(&c.stderr, lines.Text())
		var line struct{ Message, Address string }
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		switch line.Message {
		case "ready":
			c.addr <- line.Address
		case "stopping":
			close(c.stops)
		}
	}
	_ = c.cmd.Wait() // its code is asked for
}

func (c *child) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
}

// exit waits for the child's end and returns its exit code.
func (c *child) exit(t *testing.T) int {
	t.Helper()
	soon(t, c.exited, "the exit")
	return c.cmd.ProcessState.ExitCode()
}

// load is what clients send to a child, and what becomes of it.
type load struct {
	url      string
	answered sync.Map // id → status
	enough   chan struct{}
	count    func()
	clients  sync.WaitGroup
}

func newLoad(url string, enough int) *load {
	l := &load{url: url, enough: make(chan struct{})}
	var mu sync.Mutex
	l.count = func() {
		mu.Lock()
		defer mu.Unlock()
		if enough--; enough == 0 {
			close(l.enough)
		}
	}
	return l
}

// send sends requests, one after the other, until the service cannot be reached.
func (l *load) send(client *http.Client, first int) {
	const most = 100_000
	for id := first * most; id < (first+1)*most; id++ {
		answer, err := client.Post(l.url+"/slow", "application/json", strings.NewReader(fmt.Sprintf(`{"id":%d}`, id)))
		if err != nil {
			return
		}
		_, err = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if err == nil {
			l.answered.Store(id, answer.StatusCode)
		}
		l.count()
	}
}

// TestStopUnderLoad stops the service with SIGTERM while slow requests and a stream are open. Every request whose
// handler was entered is answered, the stream ends in order, and the exit code is 0.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			stopUnderLoad(t)
		})
	}
}

func stopUnderLoad(t *testing.T) {
	c := spawn(t, "load", "APP_LOG_ACCESS=false")
	const clients, enough = 8, 10
	l := newLoad(soon(t, c.addr, "the start"), enough)
	streamed := make(chan string, 1)
	streaming := openStream(t, l.url, streamed)
	for i := range clients {
		caller := client(t)
		l.clients.Go(func() { l.send(caller, i+1) })
	}
	soon(t, streaming, "the stream")
	soon(t, l.enough, "the load")
	c.terminate(t)
	code := c.exit(t)
	l.clients.Wait()
	require.Equal(t, cli.ExitClean, code, c.stderr.String())

	require.Equal(t, "open\nend\n", soon(t, streamed, "the end of the stream"))

	entered := 0
	for line := range strings.Lines(c.stdout.String()) {
		var id int
		if _, err := fmt.Sscanf(line, "entered %d", &id); err != nil {
			continue
		}
		entered++
		status, ok := l.answered.Load(id)
		require.True(t, ok, "request %d was accepted and not answered", id)
		require.Equal(t, http.StatusOK, status, "request %d", id)
	}
	require.GreaterOrEqual(t, entered, enough)
}

// openStream reads the stream to its end. The channel it returns is closed when the stream is open.
func openStream(t *testing.T, url string, whole chan<- string) (open chan struct{}) {
	t.Helper()
	open = make(chan struct{})
	caller := client(t)
	caller.Timeout = 0
	go func() {
		answer, err := caller.Get(url + "/stream")
		if err != nil {
			whole <- err.Error()
			return
		}
		close(open)
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			text = append(text, err.Error()...)
		}
		whole <- string(text)
	}()
	return open
}

// TestUncleanStop holds that the exit code tells when something was left behind, and the log what.
func TestUncleanStop(t *testing.T) {
	t.Parallel()
	c := spawn(t, "hangs at stop", "APP_LIFECYCLE_STOP_TIMEOUT=3s") // enough for all the others, on a busy machine
	soon(t, c.addr, "the start")
	c.terminate(t)
	require.Equal(t, cli.ExitUnclean, c.exit(t))
	require.Contains(t, withoutLines(c.stderr.String()),
		`"problems":["stop hook of application_test.hookFunc.atStop (infra/host/application/lifecycle_test.go:N): did not return within 3s, and was abandoned"]`)
}

// TestSecondSignal holds that who signals twice is not made to wait.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	c := spawn(t, "hangs at stop", "APP_LIFECYCLE_STOP_TIMEOUT=10m")
	soon(t, c.addr, "the start")
	c.terminate(t)
	require.NoError(t, c.cmd.Process.Signal(os.Interrupt)) // an echo, as timeout(1) makes, is no second signal
	soon(t, c.stops, "the stop")
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	<-again.C
	begin := time.Now()
	for {
		c.terminate(t)
		select {
		case <-c.exited:
			require.Equal(t, 128+int(syscall.SIGTERM), c.exit(t))
			require.Less(t, time.Since(begin), time.Second)
			require.Contains(t, c.stderr.String(), "terminated again: ended at once\n")
			return
		case <-again.C:
		}
	}
}

// TestSecondSignalWithAStuckLog holds that the end at a second signal waits for nobody who reads the log: a full pipe
// blocks whoever writes to it.
func TestSecondSignalWithAStuckLog(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	defer writer.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{
		childVariable + "=hangs at stop", "APP_HTTP_ADDR=" + freeAddr(t), "APP_LOG_FORMAT=json", "APP_LIFECYCLE_STOP_TIMEOUT=10m",
		"APP_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "test.db"),
	}
	cmd.Stderr = writer
	require.NoError(t, cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(reader)
	for lines.Scan() && !strings.Contains(lines.Text(), `"ready"`) {
	}
	fill(t, writer)

	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	late := time.After(10 * time.Second)
	for {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-exited:
			require.Equal(t, 128+int(syscall.SIGTERM), cmd.ProcessState.ExitCode())
			return
		case <-late:
			t.Fatal("it did not end at the second signal")
		case <-again.C:
		}
	}
}

// fill writes to a pipe until it takes no more.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	fd := int(pipe.Fd())
	require.NoError(t, syscall.SetNonblock(fd, true))
	for err := error(nil); err == nil; {
		_, err = syscall.Write(fd, make([]byte, 512))
	}
	require.NoError(t, syscall.SetNonblock(fd, false))
}

// TestSignalDuringStart holds that the start, too, can be stopped.
func TestSignalDuringStart(t *testing.T) {
	t.Parallel()
	c := spawn(t, "waits at start")
	soon(t, c.stdout.seen("starting"), "the start of the hook")
	c.terminate(t)
	require.Equal(t, cli.ExitClean, c.exit(t), c.stderr.String())
	require.Contains(t, c.stderr.String(), `"message":"stopped during the start","cause":"terminated"`)
}

// TestLostLogReader holds that requests go on when whoever reads the log has gone: by default a write to a broken
// standard error ends a Go process.
func TestLostLogReader(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	addr := freeAddr(t)
	cmd.Env = []string{
		childVariable + "=load", "APP_HTTP_ADDR=" + addr, "APP_LOG_FORMAT=json",
		"APP_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "test.db"),
	}
	cmd.Stderr = writer
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	require.NoError(t, writer.Close())
	lines := bufio.NewScanner(reader)
	for lines.Scan() && !strings.Contains(lines.Text(), `"ready"`) {
	}
	require.NoError(t, reader.Close())
	for range 3 {
		answer, err := client(t).Get("http://" + addr + "/livez")
		require.NoError(t, err, "the service is gone")
		require.NoError(t, answer.Body.Close())
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}
