package identity_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/domains/identity"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"":                              "", // another rule says that it is required
		"https://login.example.org":     "",
		"https://login.example.org/x/":  "",
		"http://localhost:8080/realms":  "",
		"http://127.0.0.1:8080":         "",
		"http://[::1]:8080":             "",
		"http://login.example.org":      "issuer must begin with https://",
		"http://localhost.example.org":  "issuer must begin with https://",
		"ftp://login.example.org":       "issuer must begin with https://",
		"login.example.org":             "issuer must be a URL without user",
		"https://":                      "issuer must be a URL without user",
		"https://a:b@login.example.org": "issuer must be a URL without user",
		"https://login.example.org?a=b": "issuer must be a URL without user",
		"https://login.example.org#":    "issuer must be a URL without user",
		"https://login.example.org:x":   "issuer must be a URL without user",
	} {
		checkSettings(t, identity.Settings{Issuer: issuer}, issuer, want)
	}
	for pair, want := range map[string]string{
		"admin=*": "", "a b=orders.read": "", "x=y=orders.read": "",
		"admin": `permissions: "admin" is not of the form value=permission`, "=orders.read": `"=orders.read" is not`, "admin=": `"admin=" is not`, "admin=Orders": `"admin=Orders" is not`,
	} {
		checkSettings(t, identity.Settings{Permissions: []string{"ok=ok.ok", pair}}, pair, want)
	}
}

// A permission that is misspelt in the settings would give nothing; the service does not start.
func TestSettingsNamePermissionsThatThereAre(t *testing.T) {
	t.Parallel()
	_, err := identity.New(identity.Settings{Permissions: []string{"a=orders.read", "a=orders.raed", "b=*", "c=orders.gone"}}, declared(), newProvider().client(), zap.NewNop())
	require.EqualError(t, err, `APP_IDENTITY_PERMISSIONS: no domain declares the permission "orders.raed" of "a=orders.raed"`+"\n"+
		`APP_IDENTITY_PERMISSIONS: no domain declares the permission "orders.gone" of "c=orders.gone"`)
}

func checkSettings(t *testing.T, s identity.Settings, what, want string) {
	t.Helper()
	err := s.Validate()
	if want == "" {
		require.NoError(t, err, what)
		return
	}
	require.ErrorContains(t, err, want, what)
	require.Equal(t, 1, strings.Count(err.Error()+"\n", "\n"))
}
