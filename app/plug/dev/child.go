//go:build unix

package dev

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"plugboard/app"
)

// patience is how long the service may take to stop. Its own limits are shorter, unless its settings say otherwise.
const patience = time.Minute

// launcher starts the service.
type launcher struct {
	dir            string
	environ        []string
	stdout, stderr io.Writer
}

// child is a process of the service. A nil child is none.
type child struct {
	binary   *binary
	fallback bool          // it was started because the version after it has ended
	answered chan struct{} // closed when it has answered; nil once that is noted
	serving  bool          // that is noted
	process  *os.Process
	exited   chan struct{} // closed when it has ended
	err      error         // why; valid then
	last     *tail
}

// start starts b with the socket as its file descriptor 3. The service takes the socket only if LISTEN_PID is its process id, as systemd
// has it, so that a program below a service does not take what is not meant for it. The id is known only in the new process: a shell
// sets it, and then becomes the service.
func (l launcher) start(ctx context.Context, b *binary, s *socket, fallback bool) (*child, error) {
	c := &child{binary: b, fallback: fallback, answered: make(chan struct{}), exited: make(chan struct{}), last: &tail{to: l.stderr}}
	ctx = context.WithoutCancel(ctx)                                                                  // it is told to stop, and not killed
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `export LISTEN_PID=$$; exec "$0" serve`, b.file) //nolint:gosec // it is what was built
	cmd.Dir, cmd.Env = l.dir, append(slices.Clip(l.environ), "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{s.file}
	cmd.Stdout, cmd.Stderr = l.stdout, c.last
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = time.Second // programs that it started may have its output open
	started := make(chan error)
	go func() {
		// On Linux the service ends when the thread does that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
		close(c.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the service: %w", err)
	}
	c.process = cmd.Process
	go c.ask(ctx, s.url())
	return c, nil
}

// ask asks the service whether it is alive. The connection waits in the socket until the service accepts it.
func (c *child) ask(ctx context.Context, url string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	// The service is on this machine: the name in the certificate does not matter.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // as above
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/livez", http.NoBody)
		if err != nil {
			return
		}
		answer, err := client.Do(r)
		if err != nil {
			app.Sleep(ctx, 10*time.Millisecond) // it may have closed the connection
			continue
		}
		_ = answer.Body.Close()
		close(c.answered)
		return
	}
}

// answers returns a channel that is closed when the service has answered, nil once that is noted.
func (c *child) answers() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.answered
}

// ended returns a channel that is closed when the service has ended.
func (c *child) ended() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.exited
}

// reason says how the service ended.
func (c *child) reason() string {
	if c.err == nil {
		return "exit status 0"
	}
	return c.err.Error()
}

// stop tells the service to stop, which finishes its requests, and waits for its end. It reports false when the service had to be killed.
func (c *child) stop() bool {
	_ = c.process.Signal(syscall.SIGTERM) // it may have ended
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.exited:
		return true
	case <-timer.C:
		_ = c.process.Kill() // as above
		<-c.exited
		return false
	}
}

// tail passes on what is written, and keeps the end of it.
type tail struct {
	to   io.Writer
	mu   sync.Mutex
	kept []byte
}

// mostKept is how much a tail keeps at least.
const mostKept = 8 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - mostKept; extra > mostKept {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	t.mu.Unlock()
	return t.to.Write(p)
}

// text returns whole lines from the end of what was written.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := string(t.kept)
	if extra := len(text) - mostKept; extra > 0 {
		_, text, _ = strings.Cut(text[extra:], "\n")
	}
	return strings.TrimSpace(text)
}
