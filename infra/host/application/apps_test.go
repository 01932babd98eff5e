package application_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/host/application"
	"plugboard/infra/host/cli"
	"plugboard/infra/httpserver"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

// childVariable has this test binary run as a service: it names one of the childApps.
const childVariable = "HOST_TEST_APP"

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		cli.Main(childApp(name))
	}
	goleak.VerifyTestMain(m)
}

// infra is the infrastructure of the applications in these tests; its logger is silent.
func infra() fx.Option {
	return fx.Options(
		fx.Supply(zap.NewNop()),
		telemetry.Module, database.Module, workpool.Module, eventbus.Module, httpserver.Module,
	)
}

// settings are those of an application on a free port and a database file of its own, which does not exist yet.
func settings(t *testing.T) config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.HTTP.Addr = "127.0.0.1:0"
	cfg.Database.URL = "sqlite:" + filepath.Join(t.TempDir(), "data", "test.db")
	return cfg
}

func newApp(t *testing.T, cfg config.Config, parts ...fx.Option) *application.App {
	t.Helper()
	a, err := application.New(cfg, fx.Options(infra(), fx.Options(parts...)))
	require.NoError(t, err)
	return a
}

// run runs a command in this process.
func run(t *testing.T, modules fx.Option, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err output
	code = cli.Run(t.Context(), args, environ, &out, &err, modules)
	return code, out.String(), err.String()
}

// output is a writer for several goroutines.
type output struct {
	mu      sync.Mutex
	text    strings.Builder
	awaited map[string]chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.text.Write(p)
	o.tell()
	return n, err
}

// seen returns a channel that is closed when text has been written.
func (o *output) seen(text string) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.awaited == nil {
		o.awaited = map[string]chan struct{}{}
	}
	c := make(chan struct{})
	o.awaited[text] = c
	o.tell()
	return c
}

func (o *output) tell() {
	for text, c := range o.awaited {
		if strings.Contains(o.text.String(), text) {
			close(c)
			delete(o.awaited, text)
		}
	}
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// patience is how long a test waits for what should happen at once, on a busy machine.
const patience = 30 * time.Second

// soon waits until a channel is closed or sent to.
func soon[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
	}
	return v
}

func stopApp(t *testing.T, a *application.App) error {
	t.Helper()
	return a.Stop(context.WithoutCancel(t.Context()))
}
