package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// service says how a process of the service is started.
type service struct {
	binary string
	// database is the URL of its database.
	database string
	// settings are further variables of its environment, "NAME=value".
	settings []string
	// log receives the output of the processes, with a line for each start.
	log io.Writer
}

// environment returns the environment of every process of the service. The harness's own is not passed on.
func (s *service) environment() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TZ=UTC",
		"APP_HTTP_ADDR=127.0.0.1:0", "APP_OPS_ADDR=off", "APP_DATABASE_URL=" + s.database, "APP_LOG_FORMAT=json", "APP_LOG_ACCESS=false",
		"APP_EVENTS_POLL=200ms", "APP_DATABASE_SLOW_QUERY=0s",
	}, s.settings...)
}

// process is a running service.
type process struct {
	cmd     *exec.Cmd
	started time.Time
	// ready is closed when the service says that it is ready; url is set then.
	ready chan struct{}
	url   string
	// exited is closed when the process has ended. err is the reason.
	exited chan struct{}
	err    error
}

// start starts the service with the given arguments; without any it serves. The caller ends the process.
func (s *service) start(args ...string) (*process, error) {
	if len(args) == 0 {
		args = []string{"serve"}
	}
	p := &process{
		cmd:   exec.Command(s.binary, args...), //nolint:gosec,noctx // a binary the harness has built; its end is the harness's business
		ready: make(chan struct{}), exited: make(chan struct{}),
	}
	p.cmd.Env = s.environment()
	p.cmd.SysProcAttr = parentDeathSignal()
	output := &readyScanner{process: p, to: s.log}
	p.cmd.Stdout, p.cmd.Stderr = output, output
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.binary, err)
	}
	fmt.Fprintf(s.log, "--- process %d: %v\n", p.cmd.Process.Pid, args)
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// serve starts the service and waits until it is ready.
func (s *service) serve(ctx context.Context) (*process, error) {
	p, err := s.start()
	if err != nil {
		return nil, err
	}
	if err := p.awaitReady(ctx); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// run runs a command of the service to its end.
func (s *service) run(ctx context.Context, args ...string) error {
	p, err := s.start(args...)
	if err != nil {
		return err
	}
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("run %v: %w", args, ctx.Err())
	}
}

// awaitReady waits until the service is ready.
func (p *process) awaitReady(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-p.exited:
		return fmt.Errorf("the service ended before it was ready: %w", orClean(p.err))
	case <-ctx.Done():
		return fmt.Errorf("wait for the service to be ready: %w", ctx.Err())
	}
}

func orClean(err error) error {
	if err == nil {
		return errors.New("exit code 0")
	}
	return err
}

// kill ends the process with SIGKILL and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.exited
}

// stop ends the process as an operator would, and returns how it went.
func (p *process) stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the service: %w", err)
	}
	select {
	case <-p.exited:
		if p.err != nil {
			return fmt.Errorf("stop the service: %w", p.err)
		}
		return nil
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("stop the service: %w", ctx.Err())
	}
}

// killed reports whether the process has ended by SIGKILL.
func (p *process) killed() bool {
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// healthy reports whether the service answers that it is ready.
func (p *process) healthy(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := (&http.Client{Timeout: time.Second}).Do(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// readyScanner passes on the output of a process. It looks for the record with the address of the service.
type readyScanner struct {
	process *process
	to      io.Writer
	rest    []byte
	once    sync.Once
}

// Write implements io.Writer. Only the goroutine of exec.Cmd calls it.
func (w *readyScanner) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte{'\n'})
		if !found {
			break
		}
		w.look(line)
		w.rest = rest
	}
	return w.to.Write(b)
}

func (w *readyScanner) look(line []byte) {
	if !bytes.Contains(line, []byte(`"message":"ready"`)) {
		return
	}
	var record struct {
		Address string `json:"address"`
	}
	if json.Unmarshal(line, &record) != nil || record.Address == "" {
		return
	}
	w.once.Do(func() {
		w.process.url = record.Address
		close(w.process.ready)
	})
}

// poll calls done every few milliseconds until it reports true or an error, or ctx is done.
func poll(ctx context.Context, what string, done func() (bool, error)) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
}
