// Command plugboard runs the service.
package main

import (
	"go.uber.org/fx"

	"plugboard/docs"
	"plugboard/domains/accounts"
	"plugboard/domains/audit"
	"plugboard/domains/media"
	"plugboard/domains/notifications"
	"plugboard/domains/products"
	"plugboard/infra/host"
)

// modules is the application. A domain is added to the end of the list.
var modules = fx.Options(
	host.Infra,
	host.Spec(docs.Spec),

	products.Module,
	notifications.Module,
	audit.Module,
	media.Module,
	accounts.Module,
)

func main() { host.Main(modules) }
