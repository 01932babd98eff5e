package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/host/application"
	"plugboard/infra/httpserver"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

// service is the running service of an example, with an empty SQLite database.
type service struct {
	*application.App

	folder string
}

// start runs a service with the given domains. An example has no *testing.T; a test uses apptest.New.
func start(domains ...fx.Option) *service {
	folder, err := os.MkdirTemp("", "plugboard-example-")
	must(err)
	cfg := config.Default()
	cfg.HTTP.Addr, cfg.Ops.Addr = "127.0.0.1:0", "off"
	cfg.HTTP.Hosts = []string{"*"}
	cfg.Events.Schedules = false // only when the example says so
	cfg.Database.URL = "sqlite:" + filepath.Join(folder, "example.db")
	a, err := application.New(cfg, fx.Options(
		fx.Supply(zap.NewNop()), telemetry.Module, database.Module, workpool.Module, eventbus.Module, httpserver.Module,
		fx.Options(domains...),
	))
	must(err)
	must(a.Start(context.Background()))
	return &service{App: a, folder: folder}
}

func (s *service) stop() {
	must(s.Stop(context.Background()))
	must(os.RemoveAll(s.folder))
}

// request prints the status and the body of the answer to a request. Headers are names and values by turns.
func (s *service) request(method, path, body string, headers ...string) {
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	answer := httptest.NewRecorder()
	s.Handler().ServeHTTP(answer, r)
	fmt.Println(answer.Code, strings.TrimSpace(answer.Body.String()))
}

func (s *service) get(path string) { s.request(http.MethodGet, path, "") }
func (s *service) post(path, body string, headers ...string) {
	s.request(http.MethodPost, path, body, headers...)
}

// waitForEvents returns when every event published so far has been handled.
func (s *service) waitForEvents() { must(s.Bus().Idle(context.Background())) }

// run has a schedule run once, as if it were due.
func (s *service) run(schedule string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	must(s.Bus().Run(ctx, schedule, time.Date(2026, 1, 31, 3, 30, 0, 0, time.UTC)))
}

// migrations are those of a domain with one table, the same for both databases.
func migrations(table string) fstest.MapFS {
	file := &fstest.MapFile{Data: []byte("-- +goose Up\n" + table + ";\n")}
	return fstest.MapFS{"sqlite/00001_create.sql": file, "postgres/00001_create.sql": file}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
