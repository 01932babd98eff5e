// Package identity is the identity domain: who calls is told by bearer tokens of an identity provider that speaks OpenID Connect, such as
// Keycloak, Auth0, Okta or Entra ID. The service has no users of its own. It lists identity.Module in main.go, in the place of
// accounts.Module, and is told of the provider by APP_IDENTITY_ISSUER and APP_IDENTITY_AUDIENCE; see [Settings].
//
// A token is a signed JWT in the header Authorization. It is accepted when the provider has signed it, its audience names this
// service, and it was issued at most APP_IDENTITY_MAX_AGE before it expires. Access tokens (RFC 9068) and ID tokens are told apart by
// their audience alone: whoever wants no ID tokens gives the API an audience of its own at the provider, which should be done anyway. Logout tokens, tokens that are
// bound to a key (DPoP, mutual TLS), encrypted and opaque ones are refused.
//
// The principal's ID is the token's sub, which the provider never gives to another. It says nothing of the provider, so that a service which changes to
// another provider must see to it that the new one's sub are the old one's. Credential is the token's jti. SignedInAt is its auth_time; without
// that claim, which some providers have to be asked for, endpoints with app.Fresh refuse everybody.
//
// Nobody can revoke a token before it expires. Who is locked out at the provider, or loses a permission there, is so here when the token that he
// has is over: let tokens live for minutes. What must hold at once belongs into app.Allow, or a domain has users of the service's own.
//
// The provider is called when the first token comes, not at the start. While its keys cannot be had, requests with a token are answered 503; with keys that
// were fetched before, the service does without the provider for a day.
package identity

import (
	"go.uber.org/fx"

	"plugboard/app"
)

// Module is the domain. It provides an app.Authenticator.
var Module = app.Domain("identity",
	app.Settings[Settings](),
	fx.Provide(New),
)
