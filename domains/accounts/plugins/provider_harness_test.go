package plugins_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/migrations"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/provider"
	"plugboard/domains/accounts/sessions"
)

const (
	host         = "https://shop.example"
	callback     = host + "/accounts/sign-in/provider/callback"
	clientID     = "shop"
	secret       = "hunter2 & co"
	providerPath = "/accounts/sign-in/provider"
	notKnown     = "the sign-in is not known, is over, or was begun in another browser; begin again"
	notVouched   = "the identity provider did not confirm the sign-in; begin again"
	unreachable  = "the identity provider cannot be reached; try again later"
)

// Keys take a while to make, above all with the race detector.
var (
	providerKey = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	strangeKey  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	rsaKey      = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// idp is a provider of OpenID Connect, on this machine. Whoever comes is signed in at once as what claims say.
type idp struct {
	*httptest.Server

	mu     sync.Mutex
	grants map[string]url.Values
	n      int
	asked  map[string]int
	// What it does, changed with set.
	claims      map[string]any
	sign        func(claims map[string]any) string
	description map[string]any
	published   []jose.JSONWebKey
	token       http.HandlerFunc // in the place of the token endpoint
	keys        http.HandlerFunc
	discovery   http.HandlerFunc
	refuses     string // the error sent back in the place of a code
}

func newIDP(t *testing.T) *idp {
	t.Helper()
	p := &idp{grants: map[string]url.Values{}, asked: map[string]int{}}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	p.claims = map[string]any{"sub": "ada", "email": "Ada@Example.org", "email_verified": true, "name": "Ada"}
	p.sign = func(claims map[string]any) string { return signed(jose.ES256, "k", providerKey(), claims) }
	p.published = []jose.JSONWebKey{{KeyID: "k", Key: &providerKey().PublicKey, Use: "sig"}}
	p.description = map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"ES256", "RS256", "HS256", "none"},
	}
	for path, serve := range map[string]http.HandlerFunc{
		"/.well-known/openid-configuration": p.serveDiscovery, "/authorize": p.serveAuthorize, "/token": p.serveToken, "/keys": p.serveKeys,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			p.asked[path]++
			p.mu.Unlock()
			serve(w, r)
		})
	}
	return p
}

// set changes what the provider does.
func (p *idp) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// times returns how often a path was asked for.
func (p *idp) times(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

func signed(algorithm jose.SignatureAlgorithm, name string, key any, claims map[string]any) string {
	options := (&jose.SignerOptions{}).WithHeader("kid", name)
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options))
	return must(must(signer.Sign(must(json.Marshal(claims)))).CompactSerialize())
}

func answerJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// hangs is a handler that answers when its caller has gone, which a server notices once it has read the body.
func hangs(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// detour answers the first call with a redirect to the same URL, and then as a provider should.
func (p *idp) detour(serve http.HandlerFunc, instead *http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			http.Redirect(w, r, r.URL.Path+"?again", http.StatusTemporaryRedirect)
			return
		}
		p.set(func() { *instead = nil })
		serve(w, r)
	}
}

func (p *idp) instead(of *http.HandlerFunc) http.HandlerFunc {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *of
}

func (p *idp) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	if h := p.instead(&p.discovery); h != nil {
		h(w, r)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answerJSON(w, http.StatusOK, p.description)
}

func (p *idp) serveKeys(w http.ResponseWriter, r *http.Request) {
	if h := p.instead(&p.keys); h != nil {
		h(w, r)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answerJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: p.published})
}

func (p *idp) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.mu.Lock()
	defer p.mu.Unlock()
	back := url.Values{"state": {q.Get("state")}}
	switch {
	case q.Get("client_id") != clientID || q.Get("redirect_uri") != callback || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256":
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	case p.refuses != "":
		back.Set("error", p.refuses)
		back.Set("error_description", "hunter2")
	default:
		p.n++
		code := fmt.Sprintf("code-%d", p.n)
		p.grants[code] = q
		back.Set("code", code)
	}
	http.Redirect(w, r, callback+"?"+back.Encode(), http.StatusFound)
}

func (p *idp) serveToken(w http.ResponseWriter, r *http.Request) {
	if h := p.instead(&p.token); h != nil {
		h(w, r)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id, password, _ := r.BasicAuth()
	if id != url.QueryEscape(clientID) || password != url.QueryEscape(secret) {
		answerJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	grant, ok := p.grants[r.PostFormValue("code")]
	delete(p.grants, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || grant.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || r.PostFormValue("redirect_uri") != callback {
		answerJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "hunter2"})
		return
	}
	now := time.Now().Unix()
	claims := map[string]any{"iss": p.URL, "aud": clientID, "iat": now, "exp": now + 600, "auth_time": now - 5, "nonce": grant.Get("nonce")}
	maps.Copy(claims, p.claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	answerJSON(w, http.StatusOK, map[string]any{"access_token": "secret-access-token", "token_type": "Bearer", "id_token": p.sign(claims)})
}

// settings are those of a service that uses the provider.
func (p *idp) settings(change ...func(*provider.Settings)) provider.Settings {
	s := provider.Settings{
		Issuer: p.URL, ClientID: clientID, ClientSecret: secret, RedirectURL: callback, Scopes: []string{"openid", "email", "profile"}, Link: "off", Register: true,
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

// bootProvider boots the domain with this plugin alone.
func bootProvider(t *testing.T, s provider.Settings, parts ...fx.Option) *apptest.App {
	t.Helper()
	require.NoError(t, s.Validate())
	return apptest.New(t, append(parts, apptest.Set(s), app.Domain("accounts",
		app.Settings[provider.Settings](), app.Settings[sessions.Settings](), app.Migrations(migrations.Files),
		fx.Provide(fx.Private, sessions.New, provider.New, provider.NewFlows),
		fx.Provide(fx.Annotate(sessions.NewAuthenticator, fx.As(new(app.Authenticator)))),
		plugins.SignInWithProvider,
	))...)
}

// browser keeps cookies, and follows the redirects that a test has it follow.
type browser struct {
	t       testing.TB
	h       *apptest.App
	jar     http.CookieJar
	address string
}

var browsers atomic.Int64

func newBrowser(t testing.TB, h *apptest.App) *browser {
	n := browsers.Add(1) // each is at an address of its own, since addresses have limits
	return &browser{t: t, h: h, jar: must(cookiejar.New(nil)), address: fmt.Sprintf("10.%d.%d.%d:4711", n>>16&255, n>>8&255, n&255)}
}

func (b *browser) do(method, path, body string) *apptest.Answer {
	b.t.Helper()
	at := must(url.Parse(host + strings.TrimPrefix(path, host)))
	r := httptest.NewRequestWithContext(b.t.Context(), method, at.RequestURI(), strings.NewReader(body))
	r.RemoteAddr = b.address
	r.Header.Set("User-Agent", "Browser/1.0")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, c := range b.jar.Cookies(at) {
		r.AddCookie(c)
	}
	a := b.h.Do(r)
	b.jar.SetCookies(at, (&http.Response{Header: a.Head}).Cookies())
	return a
}

func (b *browser) get(path string) *apptest.Answer {
	b.t.Helper()
	return b.do(http.MethodGet, path, "")
}

// cookie returns a cookie's value, "" when there is none.
func (b *browser) cookie(name string) string {
	for _, c := range b.jar.Cookies(must(url.Parse(host + "/"))) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// visit goes to the provider, and returns where that sends the browser.
func (b *browser) visit(to string) (back string) {
	b.t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(must(http.NewRequestWithContext(b.t.Context(), http.MethodGet, to, nil)))
	require.NoError(b.t, err)
	require.NoError(b.t, res.Body.Close())
	require.Equal(b.t, http.StatusFound, res.StatusCode)
	return res.Header.Get("Location")
}

// start begins a sign-in and returns where the provider sends the browser back.
func (b *browser) start(query string) (back string) {
	b.t.Helper()
	return b.visit(b.get(providerPath + query).Status(http.StatusSeeOther).Head.Get("Location"))
}

// signIn does all of it, and returns the answer to the callback.
func (b *browser) signIn() *apptest.Answer {
	b.t.Helper()
	return b.get(b.start(""))
}

// allRows returns all rows of a table.
func allRows[T any](h *apptest.App) (all []T) {
	if err := h.DB().Find(&all).Error; err != nil {
		panic(err)
	}
	return all
}

// storeUser stores a user who has a password.
func storeUser(t testing.TB, h *apptest.App, email string) models.User {
	t.Helper()
	u := models.User{ID: sessions.NewID(), Email: email, PasswordHash: "x", PasswordChangedAt: time.Now(), CreatedAt: time.Now()}
	require.NoError(t, h.DB().Create(&u).Error)
	return u
}

// outcomes returns how the sign-ins went.
func outcomes(t testing.TB, h *apptest.App) (all []models.Outcome) {
	t.Helper()
	for _, s := range allRows[models.SignIn](h) {
		require.Equal(t, "provider", s.Method)
		require.Equal(t, "Browser/1.0", s.UserAgent)
		all = append(all, s.Outcome)
	}
	return all
}
