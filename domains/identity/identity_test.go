package identity_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/oauth2-proxy/mockoidc"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/identity"
)

type ordersPlugin struct{}

// OnBoot implements app.Booter.
func (*ordersPlugin) OnBoot(b *app.Boot) {
	b.GET("/open", app.Handle(whoami), app.Public())
	b.GET("/known", app.Handle(whoami), app.SignedIn())
	b.GET("/orders", app.Handle(whoami), app.Can("orders.read"))
	b.POST("/orders", app.Handle(whoami), app.Can("orders.write"))
	b.GET("/fresh", app.Handle(whoami), app.SignedIn(), app.Fresh(time.Minute))
}

type whoamiData struct {
	ID string `json:"id" example:"4711"`
}

func whoami(ctx context.Context, _ app.Empty) (whoamiData, error) {
	p, _ := app.PrincipalFrom(ctx)
	return whoamiData{p.ID}, nil
}

// service is a service with the domain identity, a domain orders, and settings such as APP_IDENTITY_ISSUER=….
func service(settings ...string) []fx.Option {
	parts := []fx.Option{
		identity.Module, app.Permission("orders.read", "See orders"), app.Permission("orders.write", "Change orders"),
		app.Plugin[*ordersPlugin]("orders.whoami", func() *ordersPlugin { return &ordersPlugin{} }),
	}
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		parts = append(parts, apptest.Setting("APP_IDENTITY_"+name, value))
	}
	return parts
}

// A user signs in at a provider in another program's words: authorization code, PKCE, nonce. The service takes the tokens that
// this gives, and lets the user do what his groups there say.
func TestFromSignInToAnAnswer(t *testing.T) {
	t.Parallel()
	provider := must(mockoidc.Run())
	t.Cleanup(func() { require.NoError(t, provider.Shutdown()) })
	h := apptest.New(t, service("ISSUER="+provider.Issuer(), "AUDIENCE="+provider.ClientID,
		"PERMISSIONS_CLAIM=groups", "PERMISSIONS=engineering=orders.read,boss=*")...)
	idToken, accessToken := signIn(t, provider)
	as := func(token string) *apptest.App {
		return h.As(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
	}
	answer := `{"success":true,"data":{"id":"1234567890"},"error":null}`
	as(idToken).GET("/orders").Status(http.StatusOK).JSON(answer)
	as(accessToken).GET("/known").Status(http.StatusOK).JSON(answer)
	as(accessToken).GET("/orders").Fails(app.Forbidden, "this needs the permission orders.read") // it has no groups
	as(idToken).POST("/orders", nil).Fails(app.Forbidden, "this needs the permission orders.write")
	as(idToken).GET("/fresh").Fails(app.Unauthorized, "sign in again: this needs a sign-in of the last 1m0s") // mockoidc does not say when the user signed in
	as("forged").GET("/open").Status(http.StatusOK).JSON(`{"success":true,"data":{"id":""},"error":null}`)

	nobody := h.GET("/orders").Fails(app.Unauthorized, "sign in first: the request does not say who makes it")
	require.Equal(t, "Bearer", nobody.Head.Get("WWW-Authenticate"))
	wrong := as(forged(idToken)).GET("/orders").Fails(app.Unauthorized, "the token has no valid signature")
	require.Equal(t, `Bearer error="invalid_token", error_description="the token has no valid signature"`, wrong.Head.Get("WWW-Authenticate"))
}

// signIn signs the user of mockoidc in, as a program in a browser does.
func signIn(t *testing.T, provider *mockoidc.MockOIDC) (idToken, accessToken string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	verifier := strings.Repeat("verifier-", 6)
	hash := sha256.Sum256([]byte(verifier))
	back := "https://shop.example.org/back"
	authorize := url.Values{
		"client_id": {provider.ClientID}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {"openid email groups"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(hash[:])},
	}
	r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, provider.AuthorizationEndpoint()+"?"+authorize.Encode(), nil))
	answer := must(client.Do(r))
	require.NoError(t, answer.Body.Close())
	landed := must(answer.Location()).Query()
	require.Equal(t, "s", landed.Get("state"))

	exchange := url.Values{
		"client_id": {provider.ClientID}, "client_secret": {provider.ClientSecret}, "grant_type": {"authorization_code"},
		"code": {landed.Get("code")}, "redirect_uri": {back}, "code_verifier": {verifier},
	}
	r = must(http.NewRequestWithContext(t.Context(), http.MethodPost, provider.TokenEndpoint(), strings.NewReader(exchange.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer = must(client.Do(r))
	require.Equal(t, http.StatusOK, answer.StatusCode)
	var tokens struct {
		ID     string `json:"id_token"`
		Access string `json:"access_token"`
	}
	require.NoError(t, json.UnmarshalRead(answer.Body, &tokens))
	require.NoError(t, answer.Body.Close())
	return tokens.ID, tokens.Access
}

// The service starts while its provider is away, and says so to those who bring a token alone.
func TestTheServiceStartsWithoutItsProvider(t *testing.T) {
	t.Parallel()
	network := apptest.Outgoing(t)
	network.Expect("GET "+wellKnow).Times(0).Answer(http.StatusServiceUnavailable, "")
	h := apptest.New(t, append(service("ISSUER="+issuer, "AUDIENCE="+audience), network)...)
	h.GET("/open").Status(http.StatusOK)
	h.GET("/orders").Fails(app.Unauthorized, "sign in first: the request does not say who makes it")
	require.Empty(t, network.Calls())
	with := h.As(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token(nil)) })
	for range 10 {
		away := with.GET("/orders").Fails(app.Unavailable, "the identity provider cannot be reached; try again later").Status(http.StatusServiceUnavailable)
		require.Equal(t, "2", away.Head.Get("Retry-After"))
	}
	require.LessOrEqual(t, len(network.Calls()), 3, "one fetch, with the client's repetitions")
}

// A service whose settings would have it accept nothing, or too much, does not start.
func TestSettingsAreCheckedAtTheStart(t *testing.T) {
	t.Parallel()
	for want, set := range map[string][]string{
		"begin with https://":     {"AUDIENCE=" + audience, "ISSUER=http://login.example.org"},
		"orders.raed":             {"AUDIENCE=" + audience, "ISSUER=" + issuer, "PERMISSIONS=a=orders.raed"},
		"APP_IDENTITY_ALGORITHMS": {"AUDIENCE=" + audience, "ISSUER=" + issuer, "ALGORITHMS=RS256,HS256"},
	} {
		require.Contains(t, startError(t, service(set...)...), want)
	}
}

// failing is a test that may fail.
type failing struct {
	testing.TB

	said string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// startError returns why a service does not start.
func startError(t *testing.T, parts ...fx.Option) string {
	t.Helper()
	f, done := &failing{TB: t}, make(chan struct{})
	go func() {
		defer close(done)
		apptest.New(f, parts...)
	}()
	<-done
	return f.said
}
