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
	"strings"
	"syscall"
	"time"
)

// builds are the service as it is released, and the same with CPU-bound work run straight on request goroutines.
type builds struct {
	dir    string
	binary map[string]string
}

// The builds.
const (
	released = "released"
	naive    = "straight"
)

// rewrite is a change of one of the service's files, for a build.
type rewrite struct{ file, old, replacement string }

// straightAway has the work pool run jobs where they are submitted, and leaves GOMAXPROCS alone.
var straightAway = []rewrite{ //nolint:gochecknoglobals // a constant
	{
		"infra/workpool/pool.go",
		"func (p *Pool) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {\n",
		"type straight struct{ done <-chan struct{} }\n\n" +
			"func (s straight) Done() <-chan struct{} { return s.done }\n" +
			"func (straight) SetStatus(int) {}\n" +
			"func (straight) Logger() *zap.Logger { return zap.NewNop() }\n\n" +
			"func (p *Pool) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {\n\treturn work(straight{ctx.Done()})\n}\n\n" +
			"func (p *Pool) queued(ctx context.Context, work func(app.Job) (any, error)) (any, error) {\n",
	},
	{"infra/workpool/lifecycle.go", "runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + by)", "_ = by"},
}

// build builds the service both ways, in a temporary folder.
func build() (*builds, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "plugboard").Output()
	if err != nil {
		return nil, fmt.Errorf("find the service's module: %w", err)
	}
	b := &builds{binary: make(map[string]string)}
	if b.dir, err = os.MkdirTemp("", "plugboard-workpool-"); err != nil {
		return nil, err
	}
	source := strings.TrimSpace(string(root))
	overlay, err := b.overlay(source, straightAway)
	if err != nil {
		return nil, errors.Join(err, b.remove())
	}
	for name, flags := range map[string][]string{released: nil, naive: {"-overlay", overlay}} {
		b.binary[name] = filepath.Join(b.dir, name)
		args := append([]string{"build", "-trimpath", "-tags", "nomsgpack", "-ldflags=-s -w", "-o", b.binary[name]}, flags...)
		cmd := exec.Command("go", append(args, ".")...) //nolint:gosec // the go command
		cmd.Dir = source
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("build %s service: %w\n%s", name, err, out), b.remove())
		}
	}
	return b, nil
}

// overlay writes the changed files and returns the file that puts them in the originals' place.
func (b *builds) overlay(source string, changes []rewrite) (string, error) {
	replace := make(map[string]string)
	for i, change := range changes {
		path := filepath.Join(source, filepath.FromSlash(change.file))
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if strings.Count(string(text), change.old) != 1 {
			return "", fmt.Errorf("%s has changed: it does not have %q once", change.file, change.old)
		}
		replace[path] = filepath.Join(b.dir, fmt.Sprintf("%d.go", i))
		changed := strings.Replace(string(text), change.old, change.replacement, 1)
		if err := os.WriteFile(replace[path], []byte(changed), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(b.dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o600)
}

func (b *builds) remove() error { return os.RemoveAll(b.dir) }

// start starts a build on a core, on an empty database with one product, and waits until it is ready.
func (b *builds) start(name string, core int) (*running, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "data-")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(b.binary[name], "serve") //nolint:gosec // built above
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "APP_ENV=production", "APP_HTTP_ADDR="+addr, "APP_DATABASE_URL=sqlite:"+filepath.Join(dir, "service.db"))
	if err := startOn(cmd, core); err != nil {
		return nil, fmt.Errorf("start %s service: %w", name, err)
	}
	r := &running{process{cmd: cmd, base: "http://" + addr}}
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
type running struct{ process }

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
