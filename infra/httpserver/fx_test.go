package httpserver_test

import (
	"go.uber.org/fx"

	"plugboard/app"
)

// bootAll builds a graph of the options alone.
func bootAll(r *app.Registrar, options ...fx.Option) error {
	return fx.New(fx.NopLogger, fx.Supply(r), fx.Options(options...)).Err()
}
