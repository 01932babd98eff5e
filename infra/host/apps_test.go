package host_test

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/host"
	"plugboard/infra/httpserver"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

// infra is the infrastructure of every application in these tests; its logger is silent.
func infra() fx.Option {
	return fx.Options(
		fx.Supply(zap.NewNop()),
		telemetry.Module, database.Module, workpool.Module(), eventbus.Module, httpserver.Module,
	)
}

// settings are those of an application on a free port and a database file of its own, which does not exist yet.
func settings(t *testing.T) config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.HTTP.Addr = "127.0.0.1:0"
	cfg.Database.URL = "sqlite:" + filepath.Join(t.TempDir(), "data", "test.db")
	cfg.Lifecycle.HookTimeout = 10 * time.Second
	return cfg
}

func newApp(t *testing.T, cfg config.Config, parts ...fx.Option) *host.App {
	t.Helper()
	a, err := host.New(cfg, fx.Options(infra(), fx.Options(parts...)))
	require.NoError(t, err)
	return a
}

// plain is a plugin with one route.
type plain struct{ db *gorm.DB }

func newPlain(db *gorm.DB, _ app.Bus, _ *zap.Logger) *plain { return &plain{db} }

func (p *plain) OnBoot(b *app.Boot) {
	b.GET("/plain", app.Handle(p.Execute))
	b.Raw(http.MethodGet, "/raw", func(c *gin.Context) { c.String(http.StatusOK, "raw") })
}

func (p *plain) Execute(context.Context, app.Empty) (app.Empty, error) { return app.Empty{}, nil }
