package host

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/httpserver"
	"plugboard/infra/workpool"
)

// checkOnlyServer makes a server that only checks routes. The diagnosis uses it when the graph could not be built.
func checkOnlyServer(cfg config.Config) *httpserver.Server {
	return httpserver.New(httpserver.Params{
		HTTP: cfg.HTTP, Logger: zap.NewNop(), Pool: workpool.New(cfg.Pool, zap.NewNop(), nil),
	})
}

// checkOnlyBus makes a bus that only checks events. The diagnosis uses it when the graph could not be built.
func checkOnlyBus(cfg config.Config) (*eventbus.Bus, error) {
	db, err := database.New(cfg.Database, zap.NewNop())
	if err != nil {
		return nil, err
	}
	return eventbus.New(cfg.Events, db, zap.NewNop(), prometheus.NewRegistry())
}
