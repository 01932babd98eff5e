package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"time"

	"plugboard/app"
)

// builds are the service as it is released, and this binary, which has a service of the same modules with CPU-bound work
// run straight on request goroutines.
type builds struct {
	dir     string
	command map[string][]string
}

// The services.
const (
	released = "released"
	naive    = "straight"
)

// build builds the service as it is released, in a temporary folder.
func build() (*builds, error) {
	root, err := exec.Command("go", "list", "-f", "{{.Module.Dir}}", reflect.TypeFor[app.Boot]().PkgPath()).Output() //nolint:gosec // the go command
	if err != nil {
		return nil, fmt.Errorf("find the service's module: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find binary: %w", err)
	}
	b := &builds{}
	if b.dir, err = os.MkdirTemp("", "plugboard-workpool-"); err != nil {
		return nil, err
	}
	binary := filepath.Join(b.dir, released)
	b.command = map[string][]string{released: {binary, "serve"}, naive: {self, naive}}
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "nomsgpack", "-ldflags=-s -w", "-o", binary, ".") //nolint:gosec // the go command
	cmd.Dir = strings.TrimSpace(string(root))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("build service: %w\n%s", err, out), b.remove())
	}
	return b, nil
}

func (b *builds) remove() error { return os.RemoveAll(b.dir) }

// start starts a service on a core, on an empty database with one product, and waits until it is ready.
func (b *builds) start(name string, core int) (*running, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	ops, err := freeAddr()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "data-")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(b.command[name][0], b.command[name][1:]...) //nolint:gosec // built above, or this binary
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "APP_ENV=production", "APP_MAIL_HOST=127.0.0.1", "APP_MAIL_FROM=bench@example.org", "APP_MAIL_TLS=off",
		"APP_HTTP_ADDR="+addr, "APP_OPS_ADDR="+ops, "APP_DATABASE_URL=sqlite:"+filepath.Join(dir, "service.db"), "APP_HTTP_TRUSTED_PROXIES=127.0.0.1")
	if err := startOn(cmd, core); err != nil {
		return nil, fmt.Errorf("start %s service: %w", name, err)
	}
	r := &running{process: process{cmd: cmd, base: "http://" + addr}, ops: "http://" + ops}
	if err := r.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s service: %w", name, err), r.stop())
	}
	return r, nil
}

// freeAddr returns an address on loopback that was free a moment ago.
func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// running is a running service.
type running struct {
	process
	// ops is where its operations listener is.
	ops string
}

// prepare waits until the service is ready and stores a product.
func (r *running) prepare() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := &http.Client{Timeout: 5 * time.Second}
	for {
		if status, err := get(client, r.base+"/readyz"); err == nil && status == http.StatusOK {
			break
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("it does not become ready")
		}
	}
	body := strings.NewReader(`{"name":"Desk lamp","price":49.9}`)
	resp, err := client.Post(r.base+"/products", "application/json", body)
	if err != nil {
		return fmt.Errorf("store product: %w", err)
	}
	if resp.StatusCode != http.StatusCreated {
		return errors.Join(fmt.Errorf("store product: %s", resp.Status), resp.Body.Close())
	}
	return resp.Body.Close()
}

// stop ends the service and waits for it.
func (r *running) stop() error {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop service: %w", err)
	}
	kill := time.AfterFunc(30*time.Second, func() { _ = r.cmd.Process.Kill() })
	defer kill.Stop()
	return r.cmd.Wait()
}
