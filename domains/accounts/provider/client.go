package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc" //plug:allow imports each call is given the host's client, see call
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2" //plug:allow imports each call is given the host's client, see call

	"plugboard/app"
)

const (
	// patience is how long the provider may take for all that one request of ours needs of it.
	patience = 4 * time.Second
	// discoveryLifetime is how long the provider's description and keys are used.
	discoveryLifetime = time.Hour
	// largestDocument bounds the provider's description and its keys, in bytes. They have some kilobytes.
	largestDocument = 1 << 20
	// longestSignedIn is how long ago the user may have proved to the provider who they are, unless a fresh sign-in is asked for. A provider
	// that is given such a bound must say when that was (OpenID Connect Core 1.0, section 3.1.2.1).
	longestSignedIn = 30 * 24 * time.Hour
)

// Client talks to the identity provider. It is safe for concurrent use. Make it with [New].
type Client struct {
	settings Settings
	client   http.Client
	clock    app.Clock
	known    atomic.Pointer[known]
}

// known is what the provider says of itself. It is never changed, but for its keys.
type known struct {
	config     *oauth2.Config
	keys       *keySet
	algorithms []jose.SignatureAlgorithm
	// namesItself is true when the provider names itself in what it sends back with the browser (RFC 9207).
	namesItself bool
	until       time.Time
}

// New returns a client. It does no I/O. The HTTP client is the host's; it is used without cookies, and follows no redirects.
func New(settings Settings, client *http.Client, clock app.Clock) *Client {
	c := &Client{settings: settings, client: *client, clock: clock}
	c.client.Jar = nil
	c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.client.Transport = documents{client.Transport}
	return c
}

// call bounds what one request of ours needs of the provider, and has packages oidc and oauth2 use the host's HTTP client.
func (c *Client) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(oidc.ClientContext(ctx, &c.client), patience)
}

// On reports whether there is a provider.
func (c *Client) On() bool { return c.settings.On() }

// AuthURL returns where to send the browser. With fresh, the provider is asked to have the user prove anew who they are. The error is
// [app.Unavailable] when the provider cannot be reached.
func (c *Client) AuthURL(ctx context.Context, s Secrets, fresh bool) (string, error) {
	ctx, cancel := c.call(ctx)
	defer cancel()
	k, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier)}
	age := longestSignedIn
	if fresh {
		age = 0
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	options = append(options, oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(age.Seconds()))))
	return k.config.AuthCodeURL(s.State, options...), nil
}

// description is what the provider's description has beside what package oidc reads.
type description struct {
	Keys        string   `json:"jwks_uri"`
	Algorithms  []string `json:"id_token_signing_alg_values_supported"`
	Methods     []string `json:"token_endpoint_auth_methods_supported"`
	NamesItself bool     `json:"authorization_response_iss_parameter_supported"`
}

// discover returns what the provider says of itself, and asks it when that is not known or is old.
func (c *Client) discover(ctx context.Context) (*known, error) {
	now := c.clock.Now()
	if k := c.known.Load(); k != nil && now.Before(k.until) {
		return k, nil
	}
	p, err := oidc.NewProvider(ctx, c.settings.Issuer)
	if err != nil {
		return nil, unavailable(fmt.Errorf("ask the provider for its description: %w", err))
	}
	var d description
	if err := p.Claims(&d); err != nil {
		return nil, unavailable(errors.New("the provider's description is not understood"))
	}
	endpoint := p.Endpoint()
	endpoint.AuthStyle = style(d.Methods)
	for _, url := range []string{endpoint.AuthURL, endpoint.TokenURL, d.Keys} {
		if !secure(url) {
			return nil, unavailable(fmt.Errorf("the provider's description has an URL that is not of https: %q", url))
		}
	}
	k := &known{
		config: &oauth2.Config{
			ClientID: c.settings.ClientID, ClientSecret: c.settings.ClientSecret, RedirectURL: c.settings.RedirectURL,
			Scopes: c.settings.Scopes, Endpoint: endpoint,
		},
		keys: &keySet{url: d.Keys, client: &c.client}, algorithms: asymmetric(d.Algorithms), namesItself: d.NamesItself, until: now.Add(discoveryLifetime),
	}
	c.known.Store(k)
	return k, nil
}

// style says how the service proves to the provider who it is. Some providers that have both ways understand one, so then both are tried.
func style(methods []string) oauth2.AuthStyle {
	basic := len(methods) == 0 || slices.Contains(methods, "client_secret_basic")
	switch post := slices.Contains(methods, "client_secret_post"); {
	case basic && post:
		return oauth2.AuthStyleAutoDetect
	case post:
		return oauth2.AuthStyleInParams
	default:
		return oauth2.AuthStyleInHeader
	}
}

// asymmetric returns those of the provider's algorithms by which nobody but the provider can sign. RS256 is what each provider has.
func asymmetric(names []string) []jose.SignatureAlgorithm {
	kept := []jose.SignatureAlgorithm{}
	for _, a := range []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	} {
		if slices.Contains(names, string(a)) {
			kept = append(kept, a)
		}
	}
	if len(kept) == 0 {
		kept = append(kept, jose.RS256)
	}
	return kept
}

// unavailable is the refusal while the provider does not do its part. The cause is logged alone.
func unavailable(cause error) error {
	err := app.Errorf(app.Unavailable, "the identity provider cannot be reached; try again later").Because(cause)
	err.RetryAfter = patience
	return err
}

// documents is the transport to the provider. A document that is asked for is bounded, and comes with status 200; anything else is an error without
// what the provider wrote.
type documents struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (d documents) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := d.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if r.Method == http.MethodGet && answer.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("the provider answered %d", answer.StatusCode), answer.Body.Close())
	}
	answer.Body = bounded{io.LimitReader(answer.Body, largestDocument), answer.Body}
	return answer, nil
}

type bounded struct {
	io.Reader
	io.Closer
}
