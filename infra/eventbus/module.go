package eventbus

import "go.uber.org/fx"

// Module provides the *Bus.
var Module = fx.Module("eventbus", fx.Provide(New))
