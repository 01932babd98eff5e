//go:build unix

package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// binary is a version of the service that has passed its check.
type binary struct {
	file     string
	settings string // the content of the file of settings with which it was checked
}

// remove removes the file.
func (b *binary) remove() { _ = os.Remove(b.file) } // its folder is removed at the end

// builder makes binaries.
type builder struct {
	dir, temp string
	environ   []string
	count     int
}

// pending is a build under way. A nil pending is none.
type pending struct {
	results chan result
	end     context.CancelFunc
}

// result is what came of a build: a binary, or an error, whose text is for people and may have many lines. A binary with the same content
// as one that runs names that; it was not checked again.
type result struct {
	binary, sameAs *binary
	built, checked time.Duration
	err            error
}

// begin begins a build. Running is what serves now, or nil.
func (b *builder) begin(ctx context.Context, running *binary) *pending {
	b.count++
	next := &binary{file: filepath.Join(b.temp, "service-"+strconv.Itoa(b.count))}
	ctx, cancel := context.WithCancel(ctx)
	p := &pending{results: make(chan result, 1), end: cancel}
	go func() {
		r := b.make(ctx, next, running)
		if r.binary == nil {
			next.remove()
		}
		p.results <- r
	}()
	return p
}

// result returns the channel that receives the result, once.
func (p *pending) result() <-chan result {
	if p == nil {
		return nil
	}
	return p.results
}

// cancel ends the build and waits until its processes are gone.
func (p *pending) cancel() {
	if p == nil {
		return
	}
	p.end()
	if r := <-p.results; r.binary != nil {
		r.binary.remove()
	}
}

// make builds and checks next.
func (b *builder) make(ctx context.Context, next, running *binary) (r result) {
	begin := time.Now()
	if text, err := b.command(ctx, "go", "build", "-buildvcs=false", "-o", next.file, "."); err != nil {
		r.err = fmt.Errorf("the build failed: %w\n\n%s", err, text)
		return r
	}
	r.built = time.Since(begin).Round(time.Millisecond)
	next.settings = b.settings()
	if running != nil && running.settings == next.settings && same(running.file, next.file) {
		r.binary, r.sameAs = next, running
		return r
	}
	begin = time.Now()
	if text, err := b.command(ctx, next.file, "check"); err != nil {
		r.err = fmt.Errorf("the new version does not pass its check: %w\n\n%s", err, text)
		return r
	}
	r.checked = time.Since(begin).Round(time.Millisecond)
	r.binary = next
	return r
}

// settings returns the content of the service's file of settings.
func (b *builder) settings() string {
	for _, entry := range b.environ {
		if file, ok := strings.CutPrefix(entry, configVariable+"="); ok && file != "" {
			text, _ := os.ReadFile(file) //nolint:gosec // the developer names it; the check says what is wrong with it
			return string(text)
		}
	}
	return ""
}

// interruptDelay is how long a command has to end after it was interrupted. The go command removes its files then.
const interruptDelay = 3 * time.Second

// command runs a command in the module's folder and returns what it prints. When ctx ends, the command and what it has started are
// interrupted.
func (b *builder) command(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the go command, or what it has built
	cmd.Dir, cmd.Env = b.dir, b.environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for this process alone
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = interruptDelay
	text, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(text)), err
}

// same reports whether two files have the same content. What cannot be read is not the same.
func same(one, other string) bool {
	a, err := os.Open(one) //nolint:gosec // the builder names it
	if err != nil {
		return false
	}
	defer func() { _ = a.Close() }() // it was only read
	b, err := os.Open(other)         //nolint:gosec // as above
	if err != nil {
		return false
	}
	defer func() { _ = b.Close() }() // as above
	const part = 64 << 10
	left, right := make([]byte, part), make([]byte, part)
	for {
		n, errA := io.ReadFull(a, left)
		m, errB := io.ReadFull(b, right)
		switch {
		case !bytes.Equal(left[:n], right[:m]):
			return false
		case errA != nil:
			return ended(errA) && ended(errB)
		}
	}
}

// ended reports whether err is that of a file that has been read to its end.
func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
