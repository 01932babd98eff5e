package eventbus

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
)

// Module provides the *Bus. It needs config.Events, a *database.DB, a logger and a prometheus.Registerer. Optional are a
// trace.TracerProvider, and an app.Memory from which handlers reserve.
var Module = fx.Module("eventbus", fx.Provide(provide))

type inputs struct {
	fx.In

	Events     config.Events
	DB         *database.DB
	Logger     *zap.Logger
	Registerer prometheus.Registerer
	Tracing    trace.TracerProvider `optional:"true"`
	Memory     app.Memory           `optional:"true"`
}

func provide(in inputs) (*Bus, error) {
	b, err := New(in.Events, in.DB, in.Logger, in.Registerer)
	if err == nil {
		b.Trace(in.Tracing)
		b.reserves = in.Memory
	}
	return b, err
}
