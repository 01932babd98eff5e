package httpserver

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"

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

// Module provides the *Server, and the budget of memory that requests and deliveries share, as *memory.Budget and as app.Memory. It
// needs what [Params] has.
var Module = fx.Module("httpserver", fx.Provide(New, provideMemory, func(b *memory.Budget) app.Memory { return b }))

func provideMemory(settings config.HTTP, registerer prometheus.Registerer) (*memory.Budget, error) {
	return memory.New(settings.Memory, registerer)
}
