package httpserver

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/memory"
)

// SpecFunc returns the OpenAPI document as JSON.
type SpecFunc func() string

// Spec gives the server the OpenAPI document that it serves at /openapi.json and shows at /docs.
func Spec(read func() string) fx.Option {
	return fx.Supply(SpecFunc(read))
}

// Module provides the *Server, and the budget of memory that requests and deliveries share, as *memory.Budget and as
// app.Memory. It needs config.App, config.HTTP, config.Ops, config.Log, a logger, a prometheus.Registerer and an app.Pool;
// a [SpecFunc], a prometheus.Gatherer whose metrics /metrics shows, and a trace.TracerProvider, are optional.
var Module = fx.Module("httpserver", fx.Provide(provide, provideMemory, func(b *memory.Budget) app.Memory { return b }))

func provideMemory(settings config.HTTP, registerer prometheus.Registerer) (*memory.Budget, error) {
	return memory.New(settings.Memory, registerer)
}

type inputs struct {
	fx.In

	App        config.App
	HTTP       config.HTTP
	Ops        config.Ops
	Log        config.Log
	Logger     *zap.Logger
	Registerer prometheus.Registerer
	Pool       app.Pool
	Memory     *memory.Budget
	Spec       SpecFunc             `optional:"true"`
	Gatherer   prometheus.Gatherer  `optional:"true"`
	Tracing    trace.TracerProvider `optional:"true"`
}

func provide(in inputs) *Server {
	p := Params{
		Memory: in.Memory,
		HTTP:   in.HTTP, Ops: in.Ops, Docs: in.HTTP.ShowsDocs(in.App), Access: in.Log.Access, Logger: in.Logger, Registerer: in.Registerer, Pool: in.Pool, Spec: in.Spec, Tracing: in.Tracing,
	}
	if in.Gatherer != nil {
		p.Metrics = promhttp.HandlerFor(in.Gatherer, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	}
	return New(p)
}
