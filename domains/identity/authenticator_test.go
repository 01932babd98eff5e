package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/domains/identity"
)

// What a token says becomes the principal.
func TestPrincipal(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		claims   map[string]any
		settings func(*identity.Settings)
		want     app.Principal
	}{
		"all": {
			map[string]any{"auth_time": 1000}, nil,
			app.Principal{ID: "auth0|4711", Permissions: []string{"orders.read", "orders.write"}, SignedInAt: time.Unix(1000, 0), Credential: "t-1"},
		},
		"sub alone":             {map[string]any{"permissions": nil, "jti": nil}, nil, app.Principal{ID: "auth0|4711"}},
		"several audiences":     {map[string]any{"permissions": nil, "jti": nil, "aud": []string{"a", audience}}, nil, app.Principal{ID: "auth0|4711"}},
		"a jti that is no name": {map[string]any{"permissions": nil, "jti": "a\nb"}, nil, app.Principal{ID: "auth0|4711"}},
		"parts of seconds":      {map[string]any{"permissions": nil, "jti": nil, "exp": 946684800.5 + 60}, nil, app.Principal{ID: "auth0|4711"}},
		"null is nothing":       {map[string]any{"permissions": nil, "jti": nil, "nbf": (*int)(nil), "auth_time": (*int)(nil), "cnf": (*int)(nil), "events": (*int)(nil)}, nil, app.Principal{ID: "auth0|4711"}},
		"sign-in after issue":   {map[string]any{"permissions": nil, "jti": nil, "auth_time": 4000000000}, nil, app.Principal{ID: "auth0|4711", SignedInAt: time.Unix(946684800, 0)}},
		"scope": {
			map[string]any{"scope": "openid orders.read", "jti": nil}, func(s *identity.Settings) { s.PermissionsClaim = "scope" },
			app.Principal{ID: "auth0|4711", Permissions: []string{"orders.read"}},
		},
		"nested, with a mapping": {
			map[string]any{"realm_access": map[string]any{"roles": []string{"Clerk", "Boss", "offline_access", "orders.write"}}, "jti": nil},
			func(s *identity.Settings) {
				s.PermissionsClaim = "realm_access.roles"
				s.Permissions = []string{"Clerk=orders.read", " Chef = orders.write", "Boss=*", "Cook=*"}
			},
			app.Principal{ID: "auth0|4711", Permissions: []string{"orders.read", "*"}},
		},
		"a value in several pairs": {
			map[string]any{"permissions": "Clerk", "jti": nil},
			func(s *identity.Settings) { s.Permissions = []string{"Clerk=orders.read", " Clerk = orders.write"} },
			app.Principal{ID: "auth0|4711", Permissions: []string{"orders.read", "orders.write"}},
		},
		"a name with dots": {
			map[string]any{"https://shop.example.org/roles": []string{"x=y"}, "jti": nil},
			func(s *identity.Settings) {
				s.PermissionsClaim, s.Permissions = "https://shop.example.org/roles", []string{"x=y=orders.read"}
			},
			app.Principal{ID: "auth0|4711", Permissions: []string{"orders.read"}},
		},
		"all permissions are never taken from a name": {
			map[string]any{"permissions": []any{"*", "Orders", "", "orders.read", 7, nil, []string{"a"}}, "jti": nil}, nil,
			app.Principal{ID: "auth0|4711", Permissions: []string{"orders.read"}},
		},
		"no list":  {map[string]any{"permissions": map[string]any{"orders.read": true}, "jti": nil}, nil, app.Principal{ID: "auth0|4711"}},
		"no depth": {map[string]any{"a": "text", "jti": nil}, func(s *identity.Settings) { s.PermissionsClaim = "a.b.c" }, app.Principal{ID: "auth0|4711"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if c.settings == nil {
					c.settings = func(*identity.Settings) {}
				}
				require.Equal(t, c.want, accepted(t, newProvider().authenticator(c.settings), token(c.claims)))
			})
		})
	}
}

// Each algorithm is verified with the key that fits it; the type says that it is an access token, or nothing.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	p384, p521 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	edPublic, edPrivate := edKey()
	a := newProvider(
		public("rsa", &rsaKey().PublicKey), public("p384", &p384.PublicKey), public("p521", &p521.PublicKey), public("ed", edPublic),
	).authenticator()
	keys := map[string]struct {
		name string
		key  any
	}{"RS": {"rsa", rsaKey()}, "PS": {"rsa", rsaKey()}, "ES256": {"ec", ecKey()}, "ES384": {"p384", p384}, "ES512": {"p521", p521}, "EdDSA": {"ed", edPrivate}}
	for _, algorithm := range settings().Algorithms {
		k, ok := keys[algorithm]
		if !ok {
			k = keys[algorithm[:2]]
		}
		for _, kind := range []string{"JWT", "jwt", "at+jwt", "application/at+jwt"} {
			accepted(t, a, signed(algorithm, k.name, k.key, map[string]any{"typ": kind}, claims(nil)))
		}
		accepted(t, a, signed(algorithm, "", k.key, nil, claims(nil))) // no name: each key that fits is tried
	}
}

// What is wrong with a token is said in a sentence.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const (
		malformed = "is malformed"
		unsigned  = "has no valid signature"
		algorithm = "is signed by an algorithm that this service does not accept"
		kind      = "is neither an access token nor an ID token"
	)
	pem := must(x509.MarshalPKIXPublicKey(&ecKey().PublicKey))
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	with := func(change map[string]any) func() string { return func() string { return token(change) } }
	head := func(h map[string]any) func() string {
		return func() string { return signed("ES256", "ec", ecKey(), h, claims(nil)) }
	}
	text := func(head, claims string) func() string { return func() string { return raw(head, claims) } }
	good := fmt.Sprintf(`"iss":%q,"aud":%q,"sub":"a","iat":%d,"exp":%d`, issuer, audience, now, now+60)
	cases := map[string]struct {
		token func() string
		want  string
	}{
		"expired":                {with(map[string]any{"exp": now - 60, "iat": now - 100}), "has expired"},
		"exp missing":            {with(map[string]any{"exp": nil}), "does not say when it was issued and when it expires"},
		"exp null":               {text(plainHead, `{`+strings.Replace(good, fmt.Sprint(now+60), "null", 1)+`}`), "does not say when it was issued and when it expires"},
		"exp a text":             {with(map[string]any{"exp": fmt.Sprint(now + 60)}), malformed},
		"exp beyond time":        {with(map[string]any{"exp": 1e300}), malformed},
		"exp negative":           {with(map[string]any{"exp": -1}), malformed},
		"iat missing":            {with(map[string]any{"iat": nil}), "does not say when it was issued and when it expires"},
		"iat to come":            {with(map[string]any{"iat": now + 61, "exp": now + 100}), "is not valid yet"},
		"nbf to come":            {with(map[string]any{"nbf": now + 61}), "is not valid yet"},
		"valid for long":         {with(map[string]any{"exp": now + 7201}), "is valid for longer than this service accepts"},
		"another audience":       {with(map[string]any{"aud": "https://other.example.org"}), "is not meant for this service"},
		"audience begins so":     {with(map[string]any{"aud": audience + "/"}), "is not meant for this service"},
		"other audiences":        {with(map[string]any{"aud": []string{"a", "b"}}), "is not meant for this service"},
		"no audience":            {with(map[string]any{"aud": nil}), "is not meant for this service"},
		"audience a number":      {with(map[string]any{"aud": 7}), malformed},
		"audience of an object":  {with(map[string]any{"aud": []any{audience, map[string]any{}}}), malformed},
		"another issuer":         {with(map[string]any{"iss": "https://evil.example.org"}), "is not from this service's identity provider"},
		"issuer with a slash":    {with(map[string]any{"iss": issuer + "/"}), "is not from this service's identity provider"},
		"no issuer":              {with(map[string]any{"iss": nil}), "is not from this service's identity provider"},
		"issuer in capitals":     {text(plainHead, strings.Replace(`{`+good+`}`, `"iss"`, `"ISS"`, 1)), "is not from this service's identity provider"},
		"no sub":                 {with(map[string]any{"sub": nil}), "does not say whom it is about"},
		"empty sub":              {with(map[string]any{"sub": ""}), "does not say whom it is about"},
		"sub with a line":        {with(map[string]any{"sub": "a\nb"}), "does not say whom it is about"},
		"long sub":               {with(map[string]any{"sub": strings.Repeat("a", 256)}), "does not say whom it is about"},
		"logout token by type":   {head(map[string]any{"typ": "logout+jwt"}), kind},
		"logout token by claim":  {with(map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}), kind},
		"bound to a key":         {with(map[string]any{"cnf": map[string]any{"jkt": "x"}}), "is bound to a key, and this service takes bearer tokens alone"},
		"unknown extension":      {head(map[string]any{"crit": []string{"exp"}, "exp": 1}), "has extensions that this service does not know"},
		"no extension":           {text(`{"alg":"ES256","kid":"ec","crit":[]}`, `{`+good+`}`), "has extensions that this service does not know"},
		"payload not encoded":    {text(`{"alg":"ES256","kid":"ec","b64":true}`, `{`+good+`}`), "has extensions that this service does not know"},
		"no algorithm":           {text(`{"alg":"none","kid":"ec"}`, `{`+good+`}`), algorithm},
		"no algorithm, capitals": {text(`{"alg":"nOnE","kid":"ec"}`, `{`+good+`}`), algorithm},
		"algorithm missing":      {text(`{"kid":"ec"}`, `{`+good+`}`), algorithm},
		"public key as a secret": {func() string { return signed("HS256", "ec", pem, nil, claims(nil)) }, algorithm},
		"the name of a secret":   {func() string { return signed("HS256", "oct", []byte(strings.Repeat("k", 32)), nil, claims(nil)) }, algorithm},
		"algorithm not listed":   {func() string { return signed("RS512", "rsa", rsaKey(), nil, claims(nil)) }, algorithm},
		"another's key":          {func() string { return signed("ES256", "ec", other(), nil, claims(nil)) }, unsigned},
		"another's key, unnamed": {func() string { return signed("ES256", "", other(), nil, claims(nil)) }, unsigned},
		"another key's name":     {func() string { return signed("ES256", "rsa", ecKey(), nil, claims(nil)) }, unsigned},
		"a key not for that":     {func() string { return signed("RS256", "only-ps", rsaKey(), nil, claims(nil)) }, unsigned},
		"a key for encryption":   {func() string { return signed("ES256", "enc", ecKey(), nil, claims(nil)) }, unsigned},
		"unknown key":            {func() string { return signed("ES256", "gone", ecKey(), nil, claims(nil)) }, unsigned},
		"brings its key":         {head(map[string]any{"jwk": public("ec", &other().PublicKey)}), "accepted"},
		"brings its key, and uses": {func() string {
			return signed("ES256", "ec", other(), map[string]any{"jwk": public("ec", &other().PublicKey)}, claims(nil))
		}, unsigned},
		"names a URL": {func() string {
			return signed("ES256", "ec", other(), map[string]any{"jku": "https://evil.example.org/", "x5u": "https://evil.example.org/"}, claims(nil))
		}, unsigned},
		"changed":            {func() string { return forged(token(nil)) }, unsigned},
		"a name twice":       {text(plainHead, `{`+good+`,"sub":"b"}`), malformed},
		"a name twice, deep": {text(plainHead, `{`+good+`,"x":{"a":1,"a":2}}`), malformed},
		"a name twice, head": {text(`{"alg":"ES256","kid":"ec","kid":"ec"}`, `{`+good+`}`), malformed},
		"no object":          {text(plainHead, `[]`), malformed},
		"null":               {text(plainHead, `null`), "is not from this service's identity provider"},
		"text after":         {text(plainHead, `{`+good+`}{}`), malformed},
		"no UTF-8":           {text(plainHead, `{`+good+`,"x":"`+"\xff"+`"}`), malformed},
		"too long":           {with(map[string]any{"x": strings.Repeat("a", 12<<10)}), malformed},
		"padding":            {func() string { return token(nil) + "=" }, malformed},
		"a line inside":      {func() string { return strings.Replace(token(nil), ".", ".\n", 1) }, malformed},
		"four parts":         {func() string { return token(nil) + "." }, malformed},
		"encrypted":          {func() string { return "e30.e30.e30.e30.e30" }, malformed},
		"JSON form":          {func() string { return `{"payload":"e30","signatures":[]}` }, malformed},
		"opaque":             {func() string { return "2YotnFZFEjr1zCsicMWpAA" }, malformed},
		"empty":              {func() string { return "" }, malformed},
		"dots":               {func() string { return ".." }, malformed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				enc, onlyPS := public("enc", &ecKey().PublicKey), public("only-ps", &rsaKey().PublicKey)
				enc.Use, onlyPS.Algorithm = "enc", "PS256"
				secret := jose.JSONWebKey{KeyID: "oct", Key: []byte(strings.Repeat("k", 32))}
				p := newProvider(public("rsa", &rsaKey().PublicKey), enc, onlyPS, secret)
				a := p.authenticator(func(s *identity.Settings) { s.Algorithms = []string{"RS256", "PS256", "ES256", "HS256", "none"} })
				if c.want == "accepted" {
					accepted(t, a, c.token())
					return
				}
				refused(t, a, c.token(), c.want)
				require.LessOrEqual(t, p.calls.Load(), int64(2))
			})
		})
	}
}

// forged returns a token with the signature of another one.
func forged(token string) string {
	body, _ := splitLast(token)
	_, signature := splitLast(signed("RS256", "rsa", rsaKey(), nil, claims(map[string]any{"sub": "b"})))
	if strings.HasPrefix(token, "eyJhbGciOiJFUzI1NiI") { // {"alg":"ES256"
		_, signature = splitLast(raw(plainHead, "{}"))
	}
	return body + "." + signature
}

func splitLast(token string) (body, signature string) {
	at := strings.LastIndexByte(token, '.')
	return token[:at], token[at+1:]
}

// Clocks may differ by the setting, to the second.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, now := newProvider().authenticator(), time.Now().Unix()
		accepted(t, a, token(map[string]any{"exp": now - 59, "iat": now - 100}))
		refused(t, a, token(map[string]any{"exp": now - 60, "iat": now - 100}), "has expired")
		accepted(t, a, token(map[string]any{"nbf": now + 60, "iat": now + 60}))
		refused(t, a, token(map[string]any{"nbf": now + 61}), "is not valid yet")
		accepted(t, a, token(map[string]any{"exp": now + 7200}))
	})
}

// An RSA key of 1,024 bits can be broken, and is not used.
func TestAShortKeyIsNotUsed(t *testing.T) {
	t.Parallel()
	short := must(rsa.GenerateKey(rand.Reader, 1024))
	a := newProvider(public("short", &short.PublicKey)).authenticator()
	refused(t, a, signed("RS256", "short", short, nil, claims(nil)), "has no valid signature")
}

// Without an audience nothing is accepted, not even what has an empty one.
func TestNoAudience(t *testing.T) {
	t.Parallel()
	a := newProvider().authenticator(func(s *identity.Settings) { s.Audience = "" })
	refused(t, a, token(nil), "is not meant for this service")
	refused(t, a, token(map[string]any{"aud": ""}), "is not meant for this service")
}

// Headers that name nobody, and those that name somebody wrongly.
func TestHeaders(t *testing.T) {
	t.Parallel()
	good := token(nil)
	cases := map[string]struct {
		headers []string
		want    string // "nobody", "somebody", "wrong"
	}{
		"none":                   {nil, "nobody"},
		"empty":                  {[]string{""}, "nobody"},
		"basic":                  {[]string{"Basic dXNlcjpwYXNz"}, "nobody"},
		"several, of no concern": {[]string{"Basic dXNlcjpwYXNz", "Digest x"}, "nobody"},
		"like bearer":            {[]string{"Bearers " + good}, "nobody"},
		"the token alone":        {[]string{good}, "nobody"},
		"bearer":                 {[]string{"Bearer " + good}, "somebody"},
		"any case, any space":    {[]string{" bEARER   " + good + " "}, "somebody"},
		"scheme alone":           {[]string{"Bearer"}, "wrong"},
		"scheme and space":       {[]string{"Bearer "}, "wrong"},
		"scheme and tab":         {[]string{"Bearer\t" + good}, "wrong"},
		"twice":                  {[]string{"Bearer " + good, "Bearer " + good}, "wrong"},
		"behind another":         {[]string{"Basic dXNlcjpwYXNz", "Bearer " + good}, "wrong"},
		"before another":         {[]string{"Bearer " + good, "Basic dXNlcjpwYXNz"}, "wrong"},
		"before an empty one":    {[]string{"Bearer " + good, ""}, "wrong"},
		"two in one":             {[]string{"Bearer " + good + ", Bearer " + good}, "wrong"},
		"two words":              {[]string{"Bearer " + good + " " + good}, "wrong"},
		"parameters":             {[]string{`Bearer token="` + good + `"`}, "wrong"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			principal, challenge, err := authenticate(t, newProvider().authenticator(), c.headers...)
			require.Equal(t, c.want == "somebody", principal != nil)
			require.Equal(t, c.want == "wrong", app.CodeOf(err) == app.Unauthorized, "%v", err)
			require.Equal(t, c.want == "wrong", challenge != "")
			require.Equal(t, c.want != "wrong", err == nil)
		})
	}
}

// The scheme does not depend on settings, since documents are made without them.
func TestSchemes(t *testing.T) {
	t.Parallel()
	bare := must(identity.New(identity.Settings{}, nil, newProvider().client(), zap.NewNop()))
	require.Equal(t, newProvider().authenticator().Schemes(), bare.Schemes())
	require.Equal(t, "http bearer JWT", fmt.Sprint(bare.Schemes()[0].Type, " ", bare.Schemes()[0].Scheme, " ", bare.Schemes()[0].Format))
}

// Whatever somebody sends, the answer is nobody or a refusal, and the provider is called once.
func FuzzAuthenticate(f *testing.F) {
	p := newProvider()
	a := p.authenticator()
	good := token(nil)
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "Bearer " + forged(good), "bearer a.b.c", "Basic eA==", "Bearer " + raw(`{"alg":"none"}`, `{"iss":"`+issuer+`"}`),
		"Bearer " + raw(plainHead, `{"iss":"`+issuer+`","exp":1e9,"aud":[[]]}`), "Bearer " + strings.Repeat("a.", 9000), "Bearer\x00" + good,
		"Bearer " + raw(`{"alg":"ES256","kid":"ec","jwk":{"kty":"EC"}}`, `{"iss":"`+issuer+`"}`), "Bearer " + strings.Repeat("W", 5000) + ".e30.",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		principal, challenge, err := authenticate(t, a, header)
		require.Nil(t, principal, "a token that nobody has signed")
		if err != nil {
			require.Equal(t, app.Unauthorized, app.CodeOf(err))
			require.NotContains(t, challenge, "\n")
		}
		require.LessOrEqual(t, p.calls.Load(), int64(2))
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	a := newProvider(public("rsa", &rsaKey().PublicKey)).authenticator()
	for name, token := range map[string]string{
		"ES256": token(nil), "RS256": signed("RS256", "rsa", rsaKey(), nil, claims(nil)),
		"forged": forged(signed("RS256", "rsa", rsaKey(), nil, claims(nil))), "unknown key": signed("ES256", "x", ecKey(), nil, claims(nil)),
	} {
		b.Run(name, func(b *testing.B) {
			ctx := app.WithCall(b.Context(), &app.Call{})
			r := request(ctx, "Bearer "+token)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = a.Authenticate(ctx, r)
			}
		})
	}
}
