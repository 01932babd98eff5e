// Package signed lets a test say who makes a request, whatever authenticator the service has.
package signed

import (
	"context"
	"net/http"

	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

type key struct{}

// In returns r as a request that p makes. It must be served by a handler in this process.
func In(r *http.Request, p app.Principal) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), key{}, &p))
}

// Module has the server know the principals of [In], beside those that the service's own authenticator knows.
func Module() fx.Option {
	return fx.Invoke(func(server *httpserver.Server) { server.AuthenticateAlso(authenticator{}) })
}

// authenticator is an app.Authenticator that knows the principals of [In].
type authenticator struct{}

// Authenticate implements app.Authenticator.
func (authenticator) Authenticate(ctx context.Context, _ *http.Request) (*app.Principal, error) {
	p, _ := ctx.Value(key{}).(*app.Principal)
	return p, nil
}

// Schemes implements app.Authenticator.
func (authenticator) Schemes() []app.SecurityScheme { return nil }
