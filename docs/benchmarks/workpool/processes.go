package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// anyCore leaves a process on all cores.
const anyCore = -1

// command returns a command that runs this binary in another role.
func command(role string, args ...string) (*exec.Cmd, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find binary: %w", err)
	}
	cmd := exec.Command(binary, append([]string{role}, args...)...) //nolint:gosec // this binary
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// startOn starts cmd on one core, which it inherits from the thread that starts it.
func startOn(cmd *exec.Cmd, core int) error {
	if core == anyCore {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("get affinity: %w", err)
	}
	only.Set(core)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("set affinity: %w", err)
	}
	return errors.Join(cmd.Start(), unix.SchedSetaffinity(0, &before))
}

// process is a running server.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	base  string
}

func startServer(variant string, turns, core int) (*process, error) {
	cmd, err := command("serve", "-variant", variant, "-turns", strconv.Itoa(turns))
	if err != nil {
		return nil, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("open pipe: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("open pipe: %w", err)
	}
	if err := startOn(cmd, core); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read address: %w", err), cmd.Wait())
	}
	return &process{cmd, stdin, "http://" + strings.TrimSpace(addr)}, nil
}

func (p *process) stop() error { return errors.Join(p.stdin.Close(), p.cmd.Wait()) }

// stats asks the server what happened since it was last asked.
func (p *process) stats() (s serverStats, err error) {
	client := &http.Client{Timeout: time.Minute}
	resp, err := client.Get(p.base + "/stats")
	if err != nil {
		return s, fmt.Errorf("get stats: %w", err)
	}
	err = errors.Join(json.NewDecoder(resp.Body).Decode(&s), resp.Body.Close())
	return s, err
}

// load has a client on a core send the streams for a time.
func (p *process) load(core int, lasts time.Duration, streams ...stream) ([]streamResult, error) {
	var results []streamResult
	err := p.client(core, lasts, &results, streams...)
	return results, err
}

// capacity returns how many requests a second the server answers.
func (p *process) capacity(core int, path string) (rate float64, err error) {
	err = p.client(core, time.Second, &rate, stream{path, 0})
	return rate, err
}

func (p *process) client(core int, lasts time.Duration, result any, streams ...stream) error {
	args := []string{"-base", p.base, "-for", lasts.String()}
	for _, s := range streams {
		args = append(args, fmt.Sprintf("%s:%g", s.Path, s.Rate))
	}
	cmd, err := command("load", args...)
	if err != nil {
		return err
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := startOn(cmd, core); err != nil {
		return fmt.Errorf("start client: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("run client: %w", err)
	}
	return json.Unmarshal([]byte(out.String()), result)
}
