// Package host is what the main.go of a service is made of.
//
// It has the infrastructure as one module, and the binary's command line:
//
//	var modules = fx.Options(
//		host.Infra,
//		host.Spec(docs.Spec),
//
//		orders.Module,
//	)
//
//	func main() { host.Main(modules) }
package host

import (
	"go.uber.org/fx"

	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/host/cli"
	"plugboard/infra/httpserver"
	"plugboard/infra/logging"
	"plugboard/infra/mailer"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

// Infra is the infrastructure: the log, traces and metrics, the database, the work pool, the event bus, the mailer and
// the HTTP server. It stands first in the list of modules. It is immutable and may be used by several applications.
var Infra = fx.Options(
	logging.Module,
	telemetry.Module,
	database.Module,
	workpool.Module,
	eventbus.Module,
	mailer.Module,
	httpserver.Module,
)

// Spec gives the service the description of its API, an OpenAPI document in JSON, which the service hands out at
// /openapi.json and shows at /docs. The host may call the function more than once, and concurrently. A service without
// Spec serves neither page.
func Spec(document func() string) fx.Option { return httpserver.Spec(document) }

// Main runs the command that the process was started with, "serve" when there is none, with the settings of the
// environment, and ends the process. The exit codes are those of "--help".
func Main(modules fx.Option) { cli.Main(modules) }
