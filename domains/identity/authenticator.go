package identity

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/domains/identity/oidc"
)

// authenticator implements app.Authenticator.
type authenticator struct {
	provider *oidc.Provider
	rules    oidc.Rules
	claim    string
	given    map[string][]string
}

// New returns the authenticator; see the package for what it does. It does no I/O, so a service starts while its provider is away. The client
// is the one that Fx provides, with its limits. The error tells of settings that give permissions which are none of those declared.
func New(s Settings, declared app.Permissions, client *http.Client, logger *zap.Logger) (app.Authenticator, error) {
	given, err := s.grants(declared)
	if err != nil {
		return nil, err
	}
	return &authenticator{
		provider: oidc.New(oidc.Config{Issuer: s.Issuer, Refresh: s.KeysRefresh}, client, logger),
		rules:    oidc.Rules{Audience: s.Audience, Algorithms: s.Algorithms, Skew: s.ClockSkew, Longest: s.MaxAge},
		claim:    s.PermissionsClaim, given: given,
	}, nil
}

// Schemes implements app.Authenticator. It does not name the provider, since the documents describe the service wherever it runs.
func (a *authenticator) Schemes() []app.SecurityScheme {
	return []app.SecurityScheme{{
		Name: "bearer", Type: "http", Scheme: "bearer", Format: "JWT",
		Description: "A token of the identity provider that this service trusts, meant for this service.",
	}}
}

// Authenticate implements app.Authenticator. Only the header Authorization is read: a token in a URL ends up in logs.
func (a *authenticator) Authenticate(ctx context.Context, r *http.Request) (*app.Principal, error) {
	token, given := bearer(r.Header.Values("Authorization"))
	if !given {
		return nil, nil //nolint:nilnil // nobody is named: see app.Authenticator
	}
	verified, err := a.provider.Verify(ctx, token, a.rules)
	if err != nil {
		if refused, ok := err.(*app.Error); ok && refused.Code == app.Unauthorized { //nolint:errorlint // made so by Verify
			challenge(ctx, refused.Message)
		}
		return nil, err
	}
	p := &app.Principal{ID: verified.Subject, SignedInAt: verified.SignedInAt, Credential: verified.ID}
	for _, value := range texts(verified.Claim(a.claim)) {
		p.Permissions = append(p.Permissions, a.given[value]...)
	}
	return p, nil
}

// bearer returns the token in the headers (RFC 6750, section 2.1), and whether there is one, well formed or not. Of several headers
// none is taken, since what stands before this service may have looked at another one: the token is then "", which is refused.
func bearer(headers []string) (token string, given bool) {
	for _, value := range headers {
		value = strings.Trim(value, " \t")
		end := strings.IndexAny(value+" ", " \t,;")
		if strings.EqualFold(value[:end], "bearer") {
			token, given = strings.TrimLeft(value[end:], " "), true
		}
	}
	if len(headers) > 1 {
		token = ""
	}
	return token, given
}

// challenge says in the answer what is wrong with the token (RFC 6750, section 3).
func challenge(ctx context.Context, message string) {
	app.SetHeader(ctx, "WWW-Authenticate", fmt.Sprintf("Bearer error=%q, error_description=%q", "invalid_token", message))
}

// texts returns a list of texts, or a text's words.
func texts(claim jsontext.Value) (all []string) {
	switch claim.Kind() {
	case '"':
		var words string
		if json.Unmarshal(claim, &words) == nil {
			return strings.Fields(words)
		}
	case '[':
		var values []jsontext.Value
		if json.Unmarshal(claim, &values) != nil {
			return nil
		}
		for _, value := range values {
			var text string
			if value.Kind() == '"' && json.Unmarshal(value, &text) == nil {
				all = append(all, text)
			}
		}
	}
	return all
}
