// Command plugboard runs the service.
package main

import (
	"go.uber.org/fx"

	"plugboard/docs"
	"plugboard/domains/audit"
	"plugboard/domains/media"
	"plugboard/domains/notifications"
	"plugboard/domains/products"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/host/cli"
	"plugboard/infra/httpserver"
	"plugboard/infra/logging"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

// modules is the application. A domain is added to the end of the list.
var modules = fx.Options(
	logging.Module,
	telemetry.Module,
	database.Module,
	workpool.Module,
	eventbus.Module,
	httpserver.Module,
	httpserver.Spec(docs.Spec),

	products.Module,
	notifications.Module,
	audit.Module,
	media.Module,
)

func main() { cli.Main(modules) }
