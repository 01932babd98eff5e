package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server started for a comparison.
type process struct {
	cmd  *exec.Cmd
	addr string
	log  *strings.Builder
	done chan error
}

// startService starts the service as startServiceOn does, on a new SQLite database.
func startService(ctx context.Context, b *bench) (*process, error) {
	dir, err := b.folder("database")
	if err != nil {
		return nil, err
	}
	return startServiceOn(ctx, b, "sqlite:"+filepath.Join(dir, "service.db"))
}

// startServiceOn starts the service's released binary in a folder of its own, with the defaults of production
// and its log thrown away, on the database of the URL, and waits until it is ready.
func startServiceOn(ctx context.Context, b *bench, at string) (*process, error) {
	binary, err := b.service()
	if err != nil {
		return nil, err
	}
	dir, err := b.folder("service")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "serve")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "APP_ENV=production", "APP_MAIL_HOST=127.0.0.1", "APP_MAIL_FROM=bench@example.org", "APP_MAIL_TLS=off", "APP_HTTP_ADDR="+addr, "APP_OPS_ADDR=off", "APP_DATABASE_URL="+at)
	return startProcess(ctx, cmd, addr, "/readyz")
}

// startProcess starts cmd and waits until it answers ready with 200.
func startProcess(ctx context.Context, cmd *exec.Cmd, addr, ready string) (*process, error) {
	p := &process{cmd: cmd, addr: addr, log: &strings.Builder{}, done: make(chan error, 1)}
	cmd.Stderr = p.log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	go func() { p.done <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := poll(ctx, func() (bool, error) { return p.answers(ready) }); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err), p.stop())
	}
	return p, nil
}

func (p *process) answers(path string) (bool, error) {
	select {
	case err := <-p.done:
		p.done <- err
		return false, fmt.Errorf("it ended: %w\n%s", err, p.log)
	default:
	}
	res, err := http.Get("http://" + p.addr + path)
	if err != nil {
		return false, nil //nolint:nilerr // not listening yet
	}
	return res.StatusCode == http.StatusOK, res.Body.Close()
}

// get reads the data of an answer into data.
func (p *process) get(path string, data any) error {
	res, err := http.Get("http://" + p.addr + path)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	defer res.Body.Close()
	answer := struct {
		Data  any    `json:"data"`
		Error string `json:"error"`
	}{Data: data}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: status %d, %s: %w", path, res.StatusCode, answer.Error, err)
	}
	return nil
}

// stop ends the process and waits for it; after ten seconds it is killed.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", filepath.Base(p.cmd.Path), err)
	}
	select {
	case err := <-p.done:
		if err != nil {
			return fmt.Errorf("stop %s: %w\n%s", filepath.Base(p.cmd.Path), err, p.log)
		}
		return nil
	case <-time.After(10 * time.Second):
		err := p.cmd.Process.Kill()
		<-p.done
		return errors.Join(fmt.Errorf("stop %s: it did not end within 10 s", filepath.Base(p.cmd.Path)), err)
	}
}

// memory reads the process's resident memory: all of it, and what is not backed by files, in bytes.
func (p *process) memory() (all, anonymous float64, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kb, err := strconv.ParseFloat(fields[1], 64)
		switch {
		case err != nil:
		case fields[0] == "VmRSS:":
			all = kb * 1024
		case fields[0] == "RssAnon:":
			anonymous = kb * 1024
		}
	}
	return all, anonymous, nil
}

// freeAddr finds a port of the loopback that is free now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find port: %w", err)
	}
	addr := l.Addr().String()
	return addr, l.Close()
}

// poll calls fn every few milliseconds until it reports true, fails, or ctx is done.
func poll(ctx context.Context, fn func() (bool, error)) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := fn()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
