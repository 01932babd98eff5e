// Package provider signs users in with an identity provider that speaks OpenID Connect, such as Google, Keycloak or Entra ID.
//
// A sign-in is an authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9700). [Flows] has
// who was sent to the provider and is to come back; [Client] talks to the provider. The provider is asked when it is first
// needed, and not at the start. What it answers is shown to nobody, and codes, tokens and secrets are not logged.
package provider

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// VerifiedEmail is the value of the setting provider_link with which an address that the provider has verified suffices to link.
const VerifiedEmail = "verified_email"

// Settings are those of the sign-in with an identity provider. They are settings of the domain accounts.
type Settings struct {
	// Issuer is the provider's name, an https URL, to the letter as the provider writes it in its tokens. Without it there is no sign-in
	// with a provider. Http will do for localhost, 127.0.0.1 and ::1.
	Issuer string `key:"provider_issuer" default:""`
	// ClientID is the name of this service at the provider.
	ClientID string `key:"provider_client_id" default:""`
	// ClientSecret is the password of this service at the provider.
	ClientSecret string `key:"provider_client_secret" default:"" secret:"true"`
	// RedirectURL is the public URL of GET /accounts/sign-in/provider/callback, which the provider must know too.
	RedirectURL string `key:"provider_redirect_url" default:""`
	// Scopes are what the provider is asked to tell of the user. They must have openid; email is needed to register and to link.
	Scopes []string `key:"provider_scopes" default:"openid,email,profile" binding:"min=1,max=20,dive,required,max=200"`
	// Link says what happens when a user of the provider signs in for the first time, and there is an account of the same e-mail
	// address: "off" refuses, so that its owner must sign in otherwise and link the provider; "verified_email" links when the provider says that it has
	// verified the address. The latter is for providers whose word on addresses is as good as a mail of this service's own.
	Link string `key:"provider_link" default:"off" binding:"oneof=off verified_email"`
	// Register lets users of the provider who have no account get one, when the provider has verified their e-mail address.
	Register bool `key:"provider_register" default:"false"`
}

// On reports whether there is a provider.
func (s Settings) On() bool { return s.Issuer != "" }

// Validate holds the settings against each other.
func (s Settings) Validate() error {
	given := map[string]string{
		"provider_issuer": s.Issuer, "provider_client_id": s.ClientID, "provider_client_secret": s.ClientSecret, "provider_redirect_url": s.RedirectURL,
	}
	var missing, problems = []string{}, []error{}
	for name, value := range given {
		if value == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) == len(given) {
		return nil
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		problems = append(problems, fmt.Errorf("a sign-in with a provider needs %s too", strings.Join(missing, ", ")))
	}
	if s.Issuer != "" && (!secure(s.Issuer) || strings.ContainsAny(s.Issuer, "?#")) {
		problems = append(problems, errors.New("provider_issuer must be an https URL without user, query and fragment, such as https://login.example.org/realms/shop"))
	}
	if s.RedirectURL != "" && (!secure(s.RedirectURL) || strings.Contains(s.RedirectURL, "#")) {
		problems = append(problems, errors.New("provider_redirect_url must be an https URL, such as https://shop.example/accounts/sign-in/provider/callback"))
	}
	if !slices.Contains(s.Scopes, "openid") {
		problems = append(problems, errors.New("provider_scopes must have openid"))
	}
	return errors.Join(problems...)
}

// secure reports whether nobody on the network can read or change what goes to and comes from a URL: it is of https, or of this machine.
func secure(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return false
	}
	switch u.Scheme {
	case "https":
		return true
	case "http":
		return u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	}
	return false
}
