package httpserver_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/httpserver"
)

// recorderPlugin boots with a function.
type recorderPlugin struct{ boot func(*app.Boot) }

func (p *recorderPlugin) OnBoot(b *app.Boot) { p.boot(b) }

// endpointsOf collects what boot registers, as the plugin with the given name.
func endpointsOf(t testing.TB, name string, boot func(*app.Boot)) []app.Endpoint {
	t.Helper()
	r := app.NewRegistrar(func(string) app.Bus { return nil }, zap.NewNop())
	plugin := fx.Option(app.Plugin[*recorderPlugin](name, func() *recorderPlugin { return &recorderPlugin{boot} }))
	require.NoError(t, bootAll(r, plugin))
	for _, p := range r.Plugins() {
		require.NoError(t, p.Err)
		return p.Boot.Endpoints()
	}
	return nil
}

// kit is a server under test with what it logged.
type kit struct {
	*httpserver.Server
	logs *observer.ObservedLogs
}

// serve mounts what boot registers.
func serve(t testing.TB, boot func(*app.Boot), change ...func(*httpserver.Params)) kit {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	p := httpserver.Params{HTTP: benchSettings(), Logger: zap.New(core), Log: config.Log{Access: true}, Pool: inlinePool{}}
	p.HTTP.Addr = "127.0.0.1:0"
	p.HTTP.Hosts = []string{"*"} // httptest calls the service example.com
	p.HTTP.Docs = "on"
	for _, c := range change {
		c(&p)
	}
	s := httpserver.New(p)
	require.NoError(t, s.Mount(endpointsOf(t, "test.plugin", boot)))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return kit{s, logs}
}

// do sends one request through the front door. Headers are "Name: value".
func (k kit) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	k.Handler().ServeHTTP(w, r)
	return w
}

// metrics returns what the operations listener shows of the metrics.
func (k kit) metrics() string {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	k.OpsHandler().ServeHTTP(w, r)
	return w.Body.String()
}

const asJSON = "Content-Type: application/json"

// inlinePool runs jobs on the caller's goroutine.
type inlinePool struct{}

type inlineJob struct {
	done      <-chan struct{}
	setStatus func(int)
}

func newInlineJob(ctx context.Context) inlineJob {
	return inlineJob{ctx.Done(), func(status int) { app.SetStatus(ctx, status) }}
}

func (j inlineJob) Done() <-chan struct{} { return j.done }
func (j inlineJob) SetStatus(status int)  { j.setStatus(status) }
func (j inlineJob) Logger() *zap.Logger   { return zap.NewNop() }
func (j inlineJob) Reserve(int64) error   { return nil }

func (inlinePool) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {
	return work(newInlineJob(ctx))
}

var errInternal = errors.New("secret table products is broken")

type productRequest struct {
	Name  string  `json:"name" binding:"required,min=1,max=200"`
	Price float64 `json:"price" binding:"required,gt=0"`
}

type (
	loggedEntry = observer.LoggedEntry
	configHTTP  = config.HTTP
)
