// Command site runs the service.
package main

import (
	"go.uber.org/fx"

	"plugboard/infra/host"

	"example.org/site/docs"
	"example.org/site/domains/greetings"
)

// modules is the service. A domain is added to the end of the list.
var modules = fx.Options(
	host.Infra,
	host.Spec(docs.Spec),

	greetings.Module,
)

func main() { host.Main(modules) }
