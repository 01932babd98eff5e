package plugins_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/oauth2-proxy/mockoidc"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/provider"
	"plugboard/domains/accounts/sessions"
)

// untouched expects that nobody is signed in, and nothing was made.
func untouched(t testing.TB, h *apptest.App, b *browser) {
	t.Helper()
	require.Empty(t, b.cookie(sessions.SessionCookie))
	require.Empty(t, allRows[models.Session](h))
	require.Empty(t, allRows[models.Identity](h))
	require.Empty(t, allRows[models.User](h))
}

// An ID token that is not the provider's for this flow signs nobody in, and the log has no secrets.
func TestHostileTokens(t *testing.T) { //nolint:tparallel // its cases share a provider
	t.Parallel()
	raw := func(head string) func(map[string]any) string {
		return func(claims map[string]any) string {
			good := strings.Split(signed(jose.ES256, "k", providerKey(), claims), ".")
			return base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + good[1] + "."
		}
	}
	with := func(algorithm jose.SignatureAlgorithm, key any) func(map[string]any) string {
		return func(claims map[string]any) string { return signed(algorithm, "k", key, claims) }
	}
	text := func(text string) func(map[string]any) string { return func(map[string]any) string { return text } }
	past, future := time.Now().Add(-time.Minute).Unix(), time.Now().Add(time.Hour).Unix()
	p := newIDP(t)
	core, logs := observer.New(zap.DebugLevel)
	h := bootProvider(t, p.settings(), fx.Decorate(func(*zap.Logger) *zap.Logger { return zap.New(core) }))
	good, sign := maps.Clone(p.claims), p.sign
	for name, c := range map[string]struct {
		claims map[string]any
		sign   func(map[string]any) string
	}{
		"another nonce":            {claims: map[string]any{"nonce": "x"}},
		"no nonce":                 {claims: map[string]any{"nonce": nil}},
		"another issuer":           {claims: map[string]any{"iss": "https://evil.example"}},
		"no issuer":                {claims: map[string]any{"iss": nil}},
		"issuer with a slash":      {claims: map[string]any{"iss": "%/"}},
		"another audience":         {claims: map[string]any{"aud": "another-shop"}},
		"no audience":              {claims: map[string]any{"aud": nil}},
		"several, and no azp":      {claims: map[string]any{"aud": []string{clientID, "another-shop"}}},
		"another azp":              {claims: map[string]any{"azp": "another-shop"}},
		"several, and another azp": {claims: map[string]any{"aud": []string{clientID, "b"}, "azp": "b"}},
		"expired":                  {claims: map[string]any{"exp": past}},
		"no expiry":                {claims: map[string]any{"exp": nil}},
		"not yet valid":            {claims: map[string]any{"nbf": future}},
		"no subject":               {claims: map[string]any{"sub": nil}},
		"empty subject":            {claims: map[string]any{"sub": ""}},
		"subject with zero":        {claims: map[string]any{"sub": "a\x00"}},
		"long subject":             {claims: map[string]any{"sub": strings.Repeat("a", 256)}},
		"subject beyond ASCII":     {claims: map[string]any{"sub": "ädä"}},
		"claims of another type":   {claims: map[string]any{"email": 7}},
		"another key":              {sign: with(jose.ES256, strangeKey())},
		"another kind of key":      {sign: with(jose.RS256, rsaKey())},
		"HS256 by the secret":      {sign: with(jose.HS256, []byte(strings.Repeat(secret, 3)))},
		"HS256 by the public key":  {sign: with(jose.HS256, must(providerKey().PublicKey.Bytes()))},
		"none":                     {sign: raw(`{"alg":"none","kid":"k"}`)},
		"none in other letters":    {sign: raw(`{"alg":"nOnE","kid":"k"}`)},
		"no signature":             {sign: raw(`{"alg":"ES256","kid":"k"}`)},
		"no token":                 {sign: text("")},
		"no JWT":                   {sign: text("hunter2")},
		"key in the head":          {sign: raw(`{"alg":"ES256","jwk":{"kty":"oct","k":"aHVudGVyMg"}}`)},
		"several signatures, JSON": {sign: text(`{"payload":"e30","signatures":[{"protected":"e30","signature":"x"},{"protected":"e30","signature":"x"}]}`)},
	} {
		t.Run(name, func(t *testing.T) {
			p.set(func() {
				p.claims, p.sign = maps.Clone(good), sign
				for k, v := range c.claims {
					if v == "%/" {
						v = p.URL + "/"
					}
					p.claims[k] = v
				}
				if c.sign != nil {
					p.sign = c.sign
				}
			})
			b := newBrowser(t, h)
			b.signIn().Fails(app.Unauthorized, notVouched)
			untouched(t, h, b)
			require.Empty(t, allRows[models.Flow](h), "the flow is used up")
			requireNoSecrets(t, logs)
			logs.TakeAll()
		})
	}
	p.set(func() { p.claims, p.sign = good, sign })
	newBrowser(t, h).signIn().Status(http.StatusSeeOther)
}

// requireNoSecrets expects that the log says why, and neither codes nor tokens nor what the provider wrote.
func requireNoSecrets(t testing.TB, logs *observer.ObservedLogs) {
	t.Helper()
	require.NotZero(t, logs.FilterMessageSnippet("refused").Len()+logs.FilterMessageSnippet("request failed").Len(), "it says that something is wrong")
	for _, entry := range logs.All() {
		text := entry.Message
		for _, f := range entry.Context {
			text += " " + f.String
			if err, ok := f.Interface.(error); ok {
				text += " " + err.Error()
			}
		}
		for _, bad := range []string{"hunter2", "code-1", "secret-access-token", "eyJ", "state="} {
			require.NotContains(t, text, bad)
		}
	}
}

// The provider's refusals are told in words of our own.
func TestProviderRefuses(t *testing.T) {
	t.Parallel()
	const cancelled = "the sign-in was cancelled, or the identity provider refused it"
	for name, c := range map[string]struct {
		refuses string
		code    app.Code
		message string
	}{
		"denied": {"access_denied", app.Forbidden, cancelled}, "login": {"login_required", app.Forbidden, cancelled}, "made up": {"<script>hunter2", app.Forbidden, cancelled},
		"error": {"server_error", app.Unavailable, unreachable}, "busy": {"temporarily_unavailable", app.Unavailable, unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newIDP(t)
			core, logs := observer.New(zap.DebugLevel)
			h := bootProvider(t, p.settings(), fx.Decorate(func(*zap.Logger) *zap.Logger { return zap.New(core) }))
			p.set(func() { p.refuses = c.refuses })
			b := newBrowser(t, h)
			b.signIn().Fails(c.code, c.message)
			untouched(t, h, b)
			requireNoSecrets(t, logs)
			require.Zero(t, p.times("/token"))
		})
	}
}

// The name that the provider sends with the browser is held against the settings, and must be there when the provider says so (RFC 9207).
func TestTheProvidersName(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	p.set(func() { p.description["authorization_response_iss_parameter_supported"] = true })
	h := bootProvider(t, p.settings())
	b := newBrowser(t, h)
	b.get(b.start("")).Fails(app.Unauthorized, notVouched)
	b.get(b.start("")+"&iss=https%3A%2F%2Fevil.example").Fails(app.Unauthorized, notVouched)
	b.get(b.start("") + "&iss=" + url.QueryEscape(p.URL)).Status(http.StatusSeeOther)
}

// Whatever the provider does instead of its part, the answer is 503 within five seconds, and says nothing of it.
func TestProviderIsBroken(t *testing.T) {
	t.Parallel()
	status := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(text))
		}
	}
	huge := strings.Repeat(" ", 3<<20)
	for name, c := range map[string]struct {
		change func(p *idp)
		code   app.Code
		begins bool
	}{
		"gone":                     {change: func(p *idp) { p.Close() }, code: app.Unavailable},
		"discovery hangs":          {change: func(p *idp) { p.discovery = hangs }, code: app.Unavailable},
		"discovery 500":            {change: func(p *idp) { p.discovery = status(500, `{"hunter2":1}`) }, code: app.Unavailable},
		"discovery 404":            {change: func(p *idp) { p.discovery = status(404, "hunter2") }, code: app.Unavailable},
		"discovery no JSON":        {change: func(p *idp) { p.discovery = status(200, "<hunter2") }, code: app.Unavailable},
		"discovery huge":           {change: func(p *idp) { p.discovery = status(200, huge+string(must(json.Marshal(p.description)))) }, code: app.Unavailable},
		"discovery redirects":      {change: func(p *idp) { p.discovery = p.detour(p.serveDiscovery, &p.discovery) }, code: app.Unavailable},
		"another issuer":           {change: func(p *idp) { p.description["issuer"] = "https://evil.example" }, code: app.Unavailable},
		"token endpoint of http":   {change: func(p *idp) { p.description["token_endpoint"] = "http://evil.example/token" }, code: app.Unavailable},
		"keys of http":             {change: func(p *idp) { p.description["jwks_uri"] = "http://evil.example/keys" }, code: app.Unavailable},
		"no authorization":         {change: func(p *idp) { delete(p.description, "authorization_endpoint") }, code: app.Unavailable},
		"authorization javascript": {change: func(p *idp) { p.description["authorization_endpoint"] = "javascript:alert(1)" }, code: app.Unavailable},
		"tokens hang":              {begins: true, change: func(p *idp) { p.token = hangs }, code: app.Unavailable},
		"tokens 500":               {begins: true, change: func(p *idp) { p.token = status(500, "hunter2") }, code: app.Unavailable},
		"tokens no JSON":           {begins: true, change: func(p *idp) { p.token = status(200, "<hunter2") }, code: app.Unavailable},
		"tokens huge":              {begins: true, change: func(p *idp) { p.token = status(200, huge) }, code: app.Unavailable},
		"tokens redirect":          {begins: true, change: func(p *idp) { p.token = p.detour(p.serveToken, &p.token) }, code: app.Unavailable},
		"no tokens":                {begins: true, change: func(p *idp) { p.token = status(200, `{}`) }, code: app.Unavailable},
		"no ID token":              {begins: true, change: func(p *idp) { p.token = status(200, `{"access_token":"hunter2"}`) }, code: app.Unauthorized},
		"a wrong secret":           {begins: true, change: func(p *idp) { p.token = status(401, `{"error":"invalid_client"}`) }, code: app.Unavailable},
		"the code is refused":      {begins: true, change: func(p *idp) { p.grants = map[string]url.Values{} }, code: app.Unauthorized},
		"keys hang":                {begins: true, change: func(p *idp) { p.keys = hangs }, code: app.Unavailable},
		"keys 500":                 {begins: true, change: func(p *idp) { p.keys = status(500, "hunter2") }, code: app.Unavailable},
		"keys no JSON":             {begins: true, change: func(p *idp) { p.keys = status(200, "<hunter2") }, code: app.Unavailable},
		"no keys":                  {begins: true, change: func(p *idp) { p.keys = status(200, `{"keys":[{"kty":"oct","k":"aHVudGVyMg","kid":"k"},{"kty":"??"}]}`) }, code: app.Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newIDP(t)
			core, logs := observer.New(zap.DebugLevel)
			h := bootProvider(t, p.settings(), fx.Decorate(func(*zap.Logger) *zap.Logger { return zap.New(core) }))
			b := newBrowser(t, h)
			message := unreachable
			if c.code == app.Unauthorized {
				message = notVouched
			}
			path := providerPath
			if c.begins {
				path = b.start("")
			}
			p.set(func() { c.change(p) })
			from := time.Now()
			b.get(path).Fails(c.code, message)
			require.Less(t, time.Since(from), 5*time.Second)
			untouched(t, h, b)
			require.Empty(t, allRows[models.Flow](h))
			requireNoSecrets(t, logs)
		})
	}
}

// The service starts without the provider, and signs in when that has come back.
func TestProviderComesBack(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	p.set(func() {
		p.discovery = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
	})
	h := bootProvider(t, p.settings())
	require.Zero(t, p.times("/.well-known/openid-configuration"))
	b := newBrowser(t, h)
	b.get(providerPath).Fails(app.Unavailable, unreachable)
	p.set(func() { p.discovery = nil })
	b.signIn().Status(http.StatusSeeOther)

	// A new key is found when a token comes that has it.
	p.set(func() {
		p.published = []jose.JSONWebKey{{KeyID: "r", Key: &rsaKey().PublicKey, Use: "sig"}}
		p.sign = func(claims map[string]any) string { return signed(jose.RS256, "r", rsaKey(), claims) }
	})
	b.signIn().Status(http.StatusSeeOther)
	require.Equal(t, 2, p.times("/keys"))
}

// What is known of the provider is asked for again after an hour.
func TestDiscoveryIsKeptForAnHour(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	now := apptest.NewClock(time.Now())
	h := bootProvider(t, p.settings(), now)
	b := newBrowser(t, h)
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 1}, {59 * time.Minute, 1}, {time.Minute, 2}, {time.Minute, 2}} {
		now.Advance(step.wait)
		b.get(providerPath).Status(http.StatusSeeOther)
		require.Equal(t, step.want, p.times("/.well-known/openid-configuration"))
	}
}

// A provider that somebody else wrote.
func TestMockOIDC(t *testing.T) {
	t.Parallel()
	m := must(mockoidc.Run())
	t.Cleanup(func() { require.NoError(t, m.Shutdown()) })
	h := bootProvider(t, provider.Settings{
		Issuer: m.Issuer(), ClientID: m.ClientID, ClientSecret: m.ClientSecret, RedirectURL: callback, Scopes: []string{"openid", "email"}, Link: "off", Register: true,
	})
	for range 2 {
		newBrowser(t, h).signIn().Status(http.StatusSeeOther)
	}
	users := allRows[models.User](h)
	require.Len(t, users, 1)
	require.Equal(t, "jane.doe@example.com", users[0].Email)
	for _, s := range allRows[models.Session](h) {
		require.Equal(t, 1, s.SignedInAt.UTC().Year(), "it does not say when its user signed in")
	}
}

// Nobody is sent elsewhere after a sign-in.
func TestReturnsToThisHostAlone(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	h := bootProvider(t, p.settings())
	b := newBrowser(t, h)
	for _, elsewhere := range []string{"", "//evil.example", "https://evil.example", `/\evil.example`, "/\t/evil.example", "javascript:alert(1)"} {
		b.get(providerPath+"?return="+url.QueryEscape(elsewhere)).Fails(app.Invalid, "return must be a path of this host, such as /orders")
	}
	require.Empty(t, allRows[models.Flow](h))
	require.Empty(t, b.cookie(provider.FlowCookie))
}
