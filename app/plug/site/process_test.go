package site_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a running service.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string
	ended   chan error
}

var readyAt = regexp.MustCompile(`"message":"ready","address":"([^"]+)"`)

// serve starts a binary of the service on a database, and waits until it is ready.
func (s *service) serve(binary, database string) *process {
	s.T.Helper()
	p := &process{t: s.T, cmd: s.Command(context.WithoutCancel(s.T.Context()), binary, "serve"), ended: make(chan error, 1)}
	p.cmd.Env = append(p.cmd.Env, "APP_ENV=production", "APP_HTTP_ADDR=127.0.0.1:0", "APP_HTTP_DOCS=on", "APP_OPS_ADDR=off", "APP_DATABASE_URL="+database,
		"APP_LIFECYCLE_DRAIN_DELAY=1s")
	output, err := p.cmd.StderrPipe()
	require.NoError(s.T, err)
	p.cmd.Stdout = p.cmd.Stderr
	require.NoError(s.T, p.cmd.Start())
	s.T.Cleanup(func() { _ = p.cmd.Process.Kill() })
	var log strings.Builder
	for lines := bufio.NewScanner(output); p.address == "" && lines.Scan(); {
		log.WriteString(lines.Text() + "\n")
		if m := readyAt.FindStringSubmatch(lines.Text()); m != nil {
			p.address = m[1]
		}
	}
	require.NotEmpty(s.T, p.address, log.String())
	go func() {
		_, _ = io.Copy(io.Discard, output) // it ends with the process
		p.ended <- p.cmd.Wait()
	}()
	return p
}

// end signals the process and waits for its end.
func (p *process) end(signal os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(signal))
	err := <-p.ended
	if signal == syscall.SIGTERM {
		require.NoError(p.t, err)
	}
}

// load writes notes at the service, one after the other in each of some goroutines, until it is stopped.
type load struct {
	t       *testing.T
	targets atomic.Pointer[[]string]
	// count are the requests that were sent, bad those to a target that answered with 5xx or not at all.
	count, bad atomic.Int64

	mu     sync.Mutex
	stored map[int64]bool // the notes that were acknowledged
	first  string         // the first bad answer
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// The load is light, and ends by itself.
const (
	writers      = 3
	pause        = 20 * time.Millisecond
	mostRequests = 50_000
)

func startLoad(t *testing.T, targets ...string) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{t: t, stored: map[int64]bool{}, stop: cancel}
	l.targets.Store(&targets)
	client := &http.Client{Timeout: 30 * time.Second}
	for i := range writers {
		l.done.Go(func() {
			again := time.NewTicker(pause)
			defer again.Stop()
			for n := i; ctx.Err() == nil && l.count.Load() < mostRequests; n++ {
				<-again.C
				all := *l.targets.Load()
				l.post(ctx, client, all[n%len(all)])
			}
		})
	}
	return l
}

func (l *load) post(ctx context.Context, client *http.Client, target string) {
	// A request that was sent is waited for: the end of the load cuts off none.
	r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, target+"/notes", strings.NewReader(`{"name":"Call Ada"}`))
	if err != nil {
		l.t.Error(err)
		return
	}
	r.Header.Set("Content-Type", "application/json")
	l.count.Add(1)
	res, err := client.Do(r)
	if err != nil {
		l.fail(err.Error())
		return
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	var answer struct{ Data struct{ ID int64 } }
	if err != nil || res.StatusCode != http.StatusCreated || json.Unmarshal(text, &answer) != nil {
		l.fail(fmt.Sprintf("%d %s %v", res.StatusCode, text, err))
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stored[answer.Data.ID] = true
}

func (l *load) fail(text string) {
	l.bad.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == "" {
		l.first = text
	}
}

// acknowledged returns how many notes were acknowledged so far.
func (l *load) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.stored)
}

// reaches waits until n more notes are acknowledged.
func (l *load) reaches(n int) {
	l.t.Helper()
	want := l.acknowledged() + n
	require.Eventually(l.t, func() bool { return l.acknowledged() >= want }, time.Minute, time.Millisecond, "%d acknowledged, first bad answer %s", l.acknowledged(), l.first)
}

func (l *load) end() {
	l.stop()
	l.done.Wait()
}
