package provider_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/domains/accounts/provider"
)

// elsewhere are forms of addresses of other hosts that one browser or another has followed, and paths that become such.
func elsewhere() []string {
	return []string{
		"", "evil.example", "https://evil.example", "HTTP://evil.example/", "//evil.example", "///evil.example", "////evil.example",
		`/\evil.example`, `\\evil.example`, `\/evil.example`, `//\evil.example`, "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example",
		"/\x00/evil.example", "javascript:alert(1)", "data:text/html,x", "http:evil.example", "https:/evil.example", "/.//evil.example", "/..//evil.example",
		"/%2e//evil.example", "/%2E%2e//evil.example", "/a/..//evil.example", "/a/../../evil.example", "/%2fevil.example", "/%2f%2fevil.example", "/%5cevil.example",
		"/%5C%5Cevil.example", "/%09/evil.example", "/%0d%0aLocation:%20https://evil.example", "/\r\nLocation: https://evil.example", "/\u2028/evil.example",
		"/\uff0fevil.example", "/\u3002evil.example", "@evil.example", "user@evil.example", "?//evil.example", "#//evil.example", "/%", "/%zz", "/a//b", "/\xff",
		"/" + strings.Repeat("a", 2000),
	}
}

func TestReturnPath(t *testing.T) {
	t.Parallel()
	for _, raw := range elsewhere() {
		path, ok := provider.ReturnPath(raw)
		require.False(t, ok, "%q became %q", raw, path)
	}
	for raw, want := range map[string]string{
		"/": "/", "/orders": "/orders", "/orders/": "/orders/", "/a?b=c&d=%20": "/a?b=c&d=%20", "/a#b": "/a#b", "/a?to=https://shop.example//x": "/a?to=https://shop.example//x",
		"/%C3%A4": "/%C3%A4", "/a:b@c": "/a:b@c", "/a;b,c": "/a;b,c", `/a"b<c>`: "/a%22b%3Cc%3E", "/a%2Fb": "/a%2Fb", "/...": "/...",
	} {
		path, ok := provider.ReturnPath(raw)
		require.True(t, ok, raw)
		require.Equal(t, want, path)
	}
}

// FuzzReturnPath follows each path that is taken as browsers do: they leave out tabs and line ends, and take "\" for "/".
func FuzzReturnPath(f *testing.F) {
	for _, s := range append(elsewhere(), "/orders?a=b#c", "/%2e", "/;//x") {
		f.Add(s)
	}
	base := must(url.Parse("https://shop.example/accounts/sign-in/provider/callback"))
	f.Fuzz(func(t *testing.T, raw string) {
		path, ok := provider.ReturnPath(raw)
		if !ok {
			return
		}
		again, ok := provider.ReturnPath(path)
		require.True(t, ok)
		require.Equal(t, path, again)
		seen := strings.NewReplacer("\t", "", "\r", "", "\n", "", `\`, "/").Replace(strings.TrimSpace(path))
		require.Equal(t, path, seen)
		for _, form := range []string{path, must(url.PathUnescape(strings.SplitN(path, "?", 2)[0]))} {
			require.True(t, strings.HasPrefix(form, "/"))
			require.False(t, strings.HasPrefix(form, "//"))
		}
		require.NotContains(t, path, "\x00")
		u := must(url.Parse(path))
		require.Equal(t, "shop.example", base.ResolveReference(u).Host)
		require.Equal(t, "https", base.ResolveReference(u).Scheme)
		require.False(t, strings.HasPrefix(base.ResolveReference(u).Path, "//"))
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestSettings(t *testing.T) {
	t.Parallel()
	good := provider.Settings{
		Issuer: "https://login.example.org/realms/shop", ClientID: "shop", ClientSecret: "s", RedirectURL: "https://shop.example/accounts/sign-in/provider/callback",
		Scopes: []string{"openid", "email"}, Link: "off",
	}
	require.NoError(t, good.Validate())
	require.True(t, good.On())
	none := provider.Settings{Scopes: []string{"openid"}, Link: "off", Register: true}
	require.NoError(t, none.Validate())
	require.False(t, none.On())
	for message, change := range map[string]func(*provider.Settings){
		"a sign-in with a provider needs provider_client_id, provider_client_secret too": func(s *provider.Settings) { s.ClientID, s.ClientSecret = "", "" },
		"a sign-in with a provider needs provider_issuer too":                            func(s *provider.Settings) { s.Issuer = "" },
		"a sign-in with a provider needs provider_redirect_url too":                      func(s *provider.Settings) { s.RedirectURL = "" },
		"provider_scopes must have openid":                                               func(s *provider.Settings) { s.Scopes = []string{"email"} },
	} {
		s := good
		change(&s)
		require.EqualError(t, s.Validate(), message)
	}
	for _, issuer := range []string{"http://login.example.org", "login.example.org", "https://a:b@login.example.org", "https://login.example.org?a", "https://login.example.org#a", "https://", "%"} {
		s := good
		s.Issuer = issuer
		require.ErrorContains(t, s.Validate(), "provider_issuer must be an https URL", issuer)
	}
	for _, redirect := range []string{"http://shop.example/", "/accounts", "https://shop.example/#a", "http://localhost.evil.example/"} {
		s := good
		s.RedirectURL = redirect
		require.ErrorContains(t, s.Validate(), "provider_redirect_url must be an https URL", redirect)
	}
	for _, local := range []string{"http://localhost:8080/x", "http://127.0.0.1:1/x", "http://[::1]:1/x"} {
		s := good
		s.Issuer, s.RedirectURL = local, local
		require.NoError(t, s.Validate())
	}
}
