package database

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"gorm.io/gorm"

	"plugboard/config"
)

// Module provides the [*DB] and its [*gorm.DB] handle. It needs a config.Database and a *zap.Logger; a prometheus.Registerer,
// which gets the metrics of the connection pools, and a trace.TracerProvider are optional. Opening, migrating and closing are
// the host's.
var Module = fx.Module("database",
	fx.Provide(provide, func(db *DB) *gorm.DB { return db.Gorm() }),
)

type inputs struct {
	fx.In

	Config     config.Database
	Logger     *zap.Logger
	Registerer prometheus.Registerer `optional:"true"`
	Tracing    trace.TracerProvider  `optional:"true"`
}

func provide(in inputs) (*DB, error) {
	db, err := New(in.Config, in.Logger)
	if err != nil {
		return nil, err
	}
	db.Trace(in.Tracing)
	if in.Registerer != nil {
		err = db.registerMetrics(in.Registerer)
	}
	return db, err
}
