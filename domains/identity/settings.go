package identity

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"plugboard/app"
	"plugboard/domains/identity/oidc"
)

// Settings are the settings of the domain: APP_IDENTITY_ISSUER and so on.
type Settings struct {
	// Issuer is the provider's name, an https URL. It is compared to the letter with what tokens have as iss, so a slash at its end counts.
	// The provider describes itself at <issuer>/.well-known/openid-configuration. Http will do for localhost, 127.0.0.1 and ::1.
	Issuer string `key:"issuer" binding:"required"`
	// Audience is the name of this service at the provider: tokens that do not have it among their aud are refused. For access tokens it
	// is that of the API, for ID tokens the id of the client. Tokens for others must not be accepted, whoever is named in them.
	Audience string `key:"audience" binding:"required"`
	// PermissionsClaim is the claim with what the caller may do: a list of texts, or one text with spaces between, such as scope. Dots lead
	// into objects: realm_access.roles. It must be a claim that the provider fills, and not its users.
	PermissionsClaim string `key:"permissions_claim" default:"permissions" binding:"required"`
	// Permissions say which value of the claim gives which permission, as value=permission. A value may stand in several, and
	// others give none; admin=* gives all. A permission that no domain declares is a start error. Without any pair, a value gives the
	// permission of the same name, if there is one, and * gives none.
	Permissions []string `key:"permissions" default:""`
	// ClockSkew is how far the clocks of the provider and of the service may be apart.
	ClockSkew time.Duration `key:"clock_skew" default:"1m" binding:"min=0,max=10m"`
	// MaxAge is how long after its issue a token may expire; others are refused. Nobody can revoke a token before it
	// expires, so this is how long somebody who was locked out may still get in.
	MaxAge time.Duration `key:"max_age" default:"2h" binding:"min=1m,max=720h"`
	// Algorithms are those that tokens may be signed by.
	Algorithms []string `key:"algorithms" default:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" binding:"min=1,dive,oneof=RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"`
	// KeysRefresh is how long the provider's keys are used before they are fetched again. A key that it has withdrawn is accepted
	// for as long. New keys are found at once, by their names.
	KeysRefresh time.Duration `key:"keys_refresh" default:"15m" binding:"min=1m,max=12h"`
}

// permissionName is what [app.Permission] allows, and [app.AllPermissions].
var permissionName = regexp.MustCompile(`^([a-z0-9_.]+|\*)$`)

// Validate holds issuer and permissions against what they must look like.
func (s Settings) Validate() error {
	var problems []error
	if s.Issuer != "" {
		if err := oidc.CheckIssuer(s.Issuer); err != nil {
			problems = append(problems, fmt.Errorf("issuer %w", err))
		}
	}
	for _, pair := range s.Permissions {
		if value, permission, ok := cutPair(pair); !ok || value == "" || !permissionName.MatchString(permission) {
			problems = append(problems, fmt.Errorf("permissions: %q is not of the form value=permission", pair))
		}
	}
	return errors.Join(problems...)
}

// cutPair cuts at the last =, since a claim's value may have some.
func cutPair(pair string) (value, permission string, ok bool) {
	at := strings.LastIndexByte(pair, '=')
	if at < 0 {
		return "", "", false
	}
	return strings.TrimSpace(pair[:at]), strings.TrimSpace(pair[at+1:]), true
}

// grants returns which permissions each value of the claim gives. It fails on permissions that no domain declares.
func (s Settings) grants(declared app.Permissions) (map[string][]string, error) {
	given := map[string][]string{}
	var problems []error
	for _, pair := range s.Permissions {
		value, permission, _ := cutPair(pair)
		if permission != app.AllPermissions && !declared.Has(permission) {
			problems = append(problems, fmt.Errorf("APP_IDENTITY_PERMISSIONS: no domain declares the permission %q of %q", permission, pair))
		}
		given[value] = append(given[value], permission)
	}
	if len(s.Permissions) == 0 {
		for _, p := range declared {
			given[p.Name] = []string{p.Name}
		}
	}
	return given, errors.Join(problems...)
}
