package identity_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/domains/identity"
)

const (
	issuer   = "https://login.example.org/realms/shop"
	audience = "https://shop.example.org"
	wellKnow = issuer + "/.well-known/openid-configuration"
	keysURL  = "https://keys.example.org/jwks"
)

// Keys take a while to make, above all with the race detector.
var (
	ecKey  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	other  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// fakeProvider answers the calls to a provider, in the place of the network.
type fakeProvider struct {
	calls atomic.Int64

	mu      sync.Mutex
	answers map[string]func(*http.Request) (*http.Response, error)
}

// newProvider returns a provider with the key "ec" and those given.
func newProvider(more ...jose.JSONWebKey) *fakeProvider {
	p := &fakeProvider{answers: map[string]func(*http.Request) (*http.Response, error){}}
	p.text(wellKnow, http.StatusOK, fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, keysURL))
	p.publish(append(more, public("ec", &ecKey().PublicKey))...)
	return p
}

func public(name string, key crypto.PublicKey) jose.JSONWebKey {
	return jose.JSONWebKey{KeyID: name, Key: key, Use: "sig"}
}

func (p *fakeProvider) publish(keys ...jose.JSONWebKey) {
	p.text(keysURL, http.StatusOK, string(must(json.Marshal(jose.JSONWebKeySet{Keys: keys}))))
}

// text has the provider answer a URL with a text.
func (p *fakeProvider) text(url string, status int, text string) {
	p.answer(url, func(*http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		w.WriteHeader(status)
		_, err := io.WriteString(w, text)
		return w.Result(), err
	})
}

func (p *fakeProvider) answer(url string, with func(*http.Request) (*http.Response, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[url] = with
}

// RoundTrip implements http.RoundTripper.
func (p *fakeProvider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.calls.Add(1)
	p.mu.Lock()
	answer := p.answers[r.URL.String()]
	p.mu.Unlock()
	if answer == nil {
		return nil, fmt.Errorf("nobody should call %s", r.URL)
	}
	return answer(r)
}

// declared are the permissions of the service's domains.
func declared() app.Permissions {
	return app.Permissions{app.Permission("orders.read", "See orders"), app.Permission("orders.write", "Change orders")}
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func down(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

// settings returns the defaults, changed.
func settings(change ...func(*identity.Settings)) identity.Settings {
	s := identity.Settings{
		Issuer: issuer, Audience: audience, PermissionsClaim: "permissions", ClockSkew: time.Minute, MaxAge: 2 * time.Hour,
		Algorithms:  strings.Split("RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA", ","),
		KeysRefresh: 15 * time.Minute,
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func (p *fakeProvider) authenticator(change ...func(*identity.Settings)) app.Authenticator {
	return must(identity.New(settings(change...), declared(), p.client(), zap.NewNop()))
}

func (p *fakeProvider) client() *http.Client { return &http.Client{Transport: p} }

// authenticate asks with these headers, and returns the challenge in the answer too.
func authenticate(t testing.TB, a app.Authenticator, headers ...string) (principal *app.Principal, challenge string, err error) {
	t.Helper()
	call := &app.Call{}
	ctx := app.WithCall(t.Context(), call)
	principal, err = a.Authenticate(ctx, request(ctx, headers...))
	answer := http.Header{}
	call.WriteHeader(answer)
	return principal, answer.Get("WWW-Authenticate"), err
}

func request(ctx context.Context, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/?access_token=no", nil)
	for _, h := range headers {
		r.Header.Add("Authorization", h)
	}
	return r
}

// claims are those of a good token, changed: a nil value takes a claim away.
func claims(change map[string]any) map[string]any {
	now := time.Now().Unix()
	all := map[string]any{
		"iss": issuer, "aud": audience, "sub": "auth0|4711", "iat": now, "exp": now + 600, "jti": "t-1",
		"permissions": []string{"orders.read", "orders.write"},
	}
	maps.Copy(all, change)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// token returns a token of the claims by the key "ec".
func token(change map[string]any) string { return signed("ES256", "ec", ecKey(), nil, claims(change)) }

// signed returns a token as a signer would make it who means well.
func signed(algorithm, name string, key any, head map[string]any, claims map[string]any) string {
	options := (&jose.SignerOptions{}).WithType("JWT")
	for k, v := range head {
		options = options.WithHeader(jose.HeaderKey(k), v)
	}
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(algorithm), Key: jose.JSONWebKey{Key: key, KeyID: name}}, options))
	return must(must(signer.Sign(must(json.Marshal(claims)))).CompactSerialize())
}

// raw returns a token by the key "ec" of a header and claims that no signer would make.
func raw(head, claims string) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	hash := crypto.SHA256.New()
	hash.Write([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, ecKey(), hash.Sum(nil))
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(must(signature, err))
}

const plainHead = `{"alg":"ES256","kid":"ec"}`

// refused expects that a token is refused with a sentence.
func refused(t testing.TB, a app.Authenticator, token, sentence string) {
	t.Helper()
	principal, challenge, err := authenticate(t, a, "Bearer "+token)
	require.Nil(t, principal)
	require.Equal(t, app.Unauthorized, app.CodeOf(err), "%v", err)
	var e *app.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "the token "+sentence, e.Message)
	require.Equal(t, `Bearer error="invalid_token", error_description="the token `+sentence+`"`, challenge)
}

// accepted expects that a token is accepted, and returns of whom it is.
func accepted(t testing.TB, a app.Authenticator, token string) app.Principal {
	t.Helper()
	principal, challenge, err := authenticate(t, a, "Bearer "+token)
	require.NoError(t, err)
	require.NotNil(t, principal)
	require.Empty(t, challenge)
	return *principal
}

// unavailable expects that nobody can tell, and returns when to ask again.
func unavailable(t testing.TB, a app.Authenticator, token string) time.Duration {
	t.Helper()
	principal, challenge, err := authenticate(t, a, "Bearer "+token)
	require.Nil(t, principal)
	require.Empty(t, challenge)
	require.Equal(t, app.Unavailable, app.CodeOf(err), "%v", err)
	var e *app.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "the identity provider cannot be reached; try again later", e.Message)
	return e.RetryAfter
}

func edKey() (ed25519.PublicKey, ed25519.PrivateKey) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	return must(pub, err), key
}
