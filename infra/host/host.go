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
	"fmt"
	"runtime"

	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/host/cli"
	"plugboard/infra/httpclient"
	"plugboard/infra/httpserver"
	"plugboard/infra/logging"
	"plugboard/infra/mailer"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

// Infra is the infrastructure: the log, traces and metrics, the database, the work pool, the event bus, the mailer, the HTTP server
// and the HTTP client. It stands first in the list of modules. It is immutable and may be used by several applications.
var Infra = fx.Options(
	logging.Module,
	telemetry.Module,
	database.Module,
	workpool.Module,
	eventbus.Module,
	mailer.Module,
	httpserver.Module,
	httpclient.Module,
)

// Spec gives the service the description of its API, an OpenAPI document in JSON, which the service hands out at
// /openapi.json and shows at /docs. The host may call the function more than once, and concurrently. A service without
// Spec serves neither page.
func Spec(document func() string) fx.Option { return httpserver.Spec(document) }

// Middleware gives the service middleware for everything that its port serves: endpoints, documents, probes, and what the host
// answers itself. With is a func(http.Handler) http.Handler, or a constructor of one, whose parameters Fx resolves, and which
// may return an error as well. Several wrap in the order of main.go's list: the first is the outermost. One that a domain lists is outside of
// all these. Anything else is a start error.
//
//	host.Middleware(func(next http.Handler) http.Handler {
//		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			w.Header().Set("Served-By", "shop")
//			next.ServeHTTP(w, r)
//		})
//	}),
//
// It runs outside of what the host does with a request: there is no request id yet, and a request that a middleware answers
// itself is neither logged nor counted. A panic is answered 500 and logged. A middleware that replaces the ResponseWriter
// gives its own a method Unwrap() http.ResponseWriter; without it requests have no deadlines and cannot stream, which is
// logged. For the endpoints of one domain see app.Every, for one endpoint app.Guard.
func Middleware(with any) fx.Option { return httpserver.MiddlewareFor(with) }

// DefaultAccess says who may call the endpoints that do not say so themselves, in a service in which somebody can sign in. It takes
// app.SignedIn() or app.Can("…"), and nothing else: what is open to everybody says app.Public() itself. Without DefaultAccess, an
// endpoint that says nothing is a start error in such a service.
//
//	host.DefaultAccess(app.SignedIn()),
func DefaultAccess(access app.EndpointOption) fx.Option {
	_, file, line, _ := runtime.Caller(1)
	return httpserver.DefaultAccess(access, fmt.Sprintf("%s:%d", file, line))
}

// Main runs the command that the process was started with, "serve" when there is none, with the settings of the
// environment, and ends the process. The exit codes are those of "--help".
func Main(modules fx.Option) { cli.Main(modules) }
