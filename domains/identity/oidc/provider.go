// Package oidc verifies tokens of a provider of OpenID Connect: signed JSON Web Tokens (RFC 7519), by the keys that the provider publishes.
//
// It follows OpenID Connect Core 1.0, OpenID Connect Discovery 1.0, RFC 9068 for access tokens and the advice of RFC 8725. Keys are fetched
// when the first token comes, and kept. Whoever sends tokens cannot have the service call the provider more than a few times a minute, nor
// have it call anybody else: what a token's header says of keys (jku, x5u, jwk, x5c) is not looked at.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/zap"
)

const (
	// fetchTimeout bounds a fetch of the description and the keys together, and so how long a provider that hangs holds a request.
	fetchTimeout = 4 * time.Second
	// largestDocument bounds each of the two. A key set has some kilobytes.
	largestDocument = 1 << 20
)

// Config says which provider's tokens are verified.
type Config struct {
	// Issuer is the provider's name, a URL: what its tokens have as iss, to the letter.
	Issuer string
	// Refresh is how long keys are used before they are fetched again. A key that the provider has withdrawn is accepted for as long.
	Refresh time.Duration
}

// Provider is a provider of OpenID Connect. Make it with [New]. It is safe for concurrent use.
type Provider struct {
	issuer string
	client http.Client
	keys   *cache
}

// New returns a provider. It does no I/O. The client is used without its cookies, and follows no redirect.
func New(c Config, client *http.Client, logger *zap.Logger) *Provider {
	p := &Provider{issuer: c.Issuer, client: *client}
	p.client.Jar = nil
	p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p.keys = newCache(c.Refresh, p.fetch, logger.With(zap.String("issuer", c.Issuer)))
	return p
}

// CheckIssuer returns what is wrong with an issuer, or nil: it is an https URL without query and fragment. Http will do for this machine.
func CheckIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(issuer, "?#"):
		return errors.New("must be a URL without user, query and fragment, such as https://login.example.org/realms/shop")
	case !safe(u):
		return errors.New("must begin with https://, so that nobody between can put in keys of his own")
	}
	return nil
}

// safe reports whether nobody on the network can change what comes from u.
func safe(u *url.URL) bool {
	switch u.Scheme {
	case "https":
		return true
	case "http":
		return loopback(u.Hostname())
	}
	return false
}

func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// description is what the provider says of itself (OpenID Connect Discovery 1.0, section 3).
type description struct {
	Issuer string `json:"issuer"`
	Keys   string `json:"jwks_uri"`
}

// fetch gets the provider's description, and its keys.
func (p *Provider) fetch(ctx context.Context) (keySet, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	var d description
	text, err := p.get(ctx, strings.TrimSuffix(p.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("read the provider's description: %w", err)
	}
	if d.Issuer != p.issuer {
		return nil, fmt.Errorf("the provider's description names the issuer %q, and not %q, to the letter", d.Issuer, p.issuer)
	}
	u, err := url.Parse(d.Keys)
	if err != nil || u.Host == "" || u.User != nil || !safe(u) || u.Scheme == "http" && strings.HasPrefix(p.issuer, "https:") {
		return nil, fmt.Errorf("the provider's description names no https URL for its keys: %q", d.Keys)
	}
	if text, err = p.get(ctx, d.Keys); err != nil {
		return nil, err
	}
	return readKeys(text)
}

// get returns the document at a URL.
func (p *Provider) get(ctx context.Context, from string) (text []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	answer, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: the provider answered %s", from, answer.Status)
	}
	text, err = io.ReadAll(io.LimitReader(answer.Body, largestDocument+1))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", from, err)
	}
	if len(text) > largestDocument {
		return nil, fmt.Errorf("get %s: the document is larger than %d bytes", from, largestDocument)
	}
	return text, nil
}
