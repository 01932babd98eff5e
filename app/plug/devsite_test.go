package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

// plugBinary builds plug once for all tests that run it elsewhere than here.
var plugBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "plug-test-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "plug")
	return file, exec.Command("go", "build", "-o", file, ".").Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if !testing.Short() {
		if file, err := plugBinary(); err == nil {
			_ = os.RemoveAll(filepath.Dir(file))
		}
	}
	os.Exit(code) //nolint:forbidigo // TestMain ends the process
}

// site is a small service in a module of its own, which requires this one.
type site struct {
	t   *testing.T
	dir string
}

const (
	shopMain = `package main

import (
	"go.uber.org/fx"

	"example.org/site/domains/shop"
	"plugboard/infra/host"
)

func main() { host.Main(fx.Options(host.Infra, shop.Module)) }
`
	siteShop = `// Package shop is a domain.
package shop

import (
	"example.org/site/domains/shop/plugins"
	"plugboard/app"
)

// Module is the domain.
var Module = app.Domain("shop", plugins.Say)
`
	sitePlugin = `package plugins

import (
	"context"

	"go.uber.org/fx"

	"plugboard/app"
)

// Say says which version this is.
var Say = app.Plugin[*say]("shop.say", newSay)

type say struct{}

func newSay(hooks fx.Lifecycle) *say {
	hooks.Append(fx.StartHook(func() error { return nil }))
	return &say{}
}

// OnBoot registers what the plugin serves.
func (s *say) OnBoot(b *app.Boot) { b.GET("/say", app.Handle(s.Execute)) }

// Execute says the version.
func (*say) Execute(context.Context, app.Empty) (string, error) { return "version 0", nil }
`
)

// newSite makes a site that says "version 0" at /say.
func newSite(t *testing.T) *site {
	t.Helper()
	if testing.Short() {
		t.Skip("builds services")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	s := &site{t: t, dir: t.TempDir()}
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	text, _, _ := strings.Cut(strings.Replace(string(module), "module plugboard\n", "module example.org/site\n", 1), "\ntool (")
	s.write("go.mod", text+"\nrequire plugboard v0.0.0\n\nreplace plugboard => "+root+"\n")
	s.write("go.sum", string(sums))
	s.write("main.go", shopMain)
	s.write("domains/shop/shop.go", siteShop)
	s.write("domains/shop/plugins/say.go", sitePlugin)
	return s
}

// write writes a file in one step, as careful editors do.
func (s *site) write(file, text string) {
	s.t.Helper()
	name := filepath.Join(s.dir, file)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(name), 0o700))
	require.NoError(s.t, os.WriteFile(name+"~", []byte(text), 0o600))
	require.NoError(s.t, os.Rename(name+"~", name))
}

// save saves the plugin with old replaced.
func (s *site) save(old, with string) {
	s.t.Helper()
	require.Contains(s.t, sitePlugin, old)
	s.write("domains/shop/plugins/say.go", strings.Replace(sitePlugin, old, with, 1))
}

// command is a command in the site, with settings of the test's. It is not killed when the test ends.
func (s *site) command(line string, environ ...string) *exec.Cmd {
	words := strings.Fields(line)
	cmd := exec.CommandContext(context.WithoutCancel(s.t.Context()), words[0], words[1:]...)
	cmd.Dir = s.dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "APP_") }),
		"GOWORK=off", "TMPDIR="+s.t.TempDir(), "APP_OPS_ADDR=off", "APP_LOG_ACCESS=false", "APP_DATABASE_URL=sqlite:"+filepath.Join(s.t.TempDir(), "site.db"))
	cmd.Env = append(cmd.Env, environ...)
	return cmd
}

// developer runs "plug dev" in a site.
type developer struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	lines  chan string // what it prints, one by one
	mu     sync.Mutex
	all    []string
	exited chan struct{}
}

var atAddress = regexp.MustCompile(` for (http://\S+); Ctrl-C stops`)

// develop starts "plug dev". It ends with the test at the latest.
func develop(s *site, environ ...string) *developer {
	s.t.Helper()
	plug, err := plugBinary()
	require.NoError(s.t, err)
	d := &developer{t: s.t, lines: make(chan string, 10_000), exited: make(chan struct{})}
	d.cmd = s.command(plug+" dev", append([]string{"APP_HTTP_ADDR=127.0.0.1:0"}, environ...)...)
	output, err := d.cmd.StdoutPipe()
	require.NoError(s.t, err)
	d.cmd.Stderr = d.cmd.Stdout
	require.NoError(s.t, d.cmd.Start())
	go d.follow(output)
	s.t.Cleanup(d.stop)
	d.url = atAddress.FindStringSubmatch(d.sees("Ctrl-C stops"))[1]
	return d
}

func (d *developer) follow(output io.Reader) {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		d.mu.Lock()
		d.all = append(d.all, lines.Text())
		d.mu.Unlock()
		d.lines <- lines.Text()
	}
	_ = d.cmd.Wait() // its exit code is asked for
	close(d.exited)
}

// output is all that it has printed.
func (d *developer) output() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.all, "\n")
}

// sees waits for a line that contains text, and returns it.
func (d *developer) sees(text string) string {
	d.t.Helper()
	late := time.After(patience)
	for {
		select {
		case line := <-d.lines:
			if strings.Contains(line, text) {
				return line
			}
		case <-d.exited:
			require.Fail(d.t, "it has ended", "waiting for %q\n%s", text, d.output())
		case <-late:
			require.Fail(d.t, "too late", "waiting for %q\n%s", text, d.output())
		}
	}
}

// stop interrupts it and waits for its end.
func (d *developer) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGINT) // it may have ended
	select {
	case <-d.exited:
	case <-time.After(patience):
		_ = d.cmd.Process.Kill() // as above
		<-d.exited
		d.t.Error("it does not stop at an interrupt\n" + d.output())
	}
}

// asks sends a GET with headers, and returns the answer, whose body is read.
func (d *developer) asks(path string, headers ...string) (status int, header http.Header, body string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.url+path, http.NoBody)
	require.NoError(d.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := (&http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	require.NoError(d.t, err, d.output())
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(d.t, err)
	return answer.StatusCode, answer.Header, string(text)
}

// serves asks for the version that is served.
func (d *developer) serves(version string) {
	d.t.Helper()
	status, _, body := d.asks("/say")
	require.Equal(d.t, http.StatusOK, status, body)
	require.Equal(d.t, `{"success":true,"data":"`+version+`","error":null}`, body)
}

// browser has the headers of a person's browser that asks for a page.
func browser() []string {
	return []string{"Accept", "text/html,*/*;q=0.8", "Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate"}
}

// pid asks for the process id of the service, if it says that in the place of a version.
func (d *developer) pid() int {
	d.t.Helper()
	_, _, body := d.asks("/say")
	var answer struct{ Data string }
	require.NoError(d.t, json.Unmarshal([]byte(body), &answer))
	pid, err := strconv.Atoi(answer.Data)
	require.NoError(d.t, err, body)
	return pid
}
