package oidc

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Token is what a token says that was verified. It must not be changed.
type Token struct {
	// Subject is whom the token is about: a name that the provider never gives to another (OpenID Connect Core 1.0, section 2), of
	// 1 to 255 printable ASCII characters.
	Subject string
	// ID is the token's own name, or "".
	ID string
	// SignedInAt is when the subject signed in, zero when the token does not say.
	SignedInAt time.Time

	issuer                       string
	audience                     []string
	expires, notBefore, issuedAt time.Time // zero: not said
	claims                       map[string]jsontext.Value
}

// Claim returns a claim as JSON, nil when there is none or it is null. A name with dots is that of a claim itself or, when there is none of
// the name, leads into objects: "realm_access.roles".
func (t *Token) Claim(name string) jsontext.Value {
	return member(t.claims, name)
}

func member(in map[string]jsontext.Value, name string) jsontext.Value {
	if value, ok := in[name]; ok {
		if value.Kind() == 'n' {
			return nil
		}
		return value
	}
	outer, inner, nested := strings.Cut(name, ".")
	if !nested || in[outer].Kind() != '{' {
		return nil
	}
	var object map[string]jsontext.Value
	if json.Unmarshal(in[outer], &object) != nil {
		return nil
	}
	return member(object, inner)
}

// readClaims takes the registered claims out of all (RFC 7519, section 4.1).
func readClaims(claims map[string]jsontext.Value) (*Token, error) {
	t := &Token{claims: claims}
	var audience audience
	for name, into := range map[string]any{
		"iss": &t.issuer, "sub": &t.Subject, "jti": &t.ID, "aud": &audience,
		"exp": (*seconds)(&t.expires), "nbf": (*seconds)(&t.notBefore), "iat": (*seconds)(&t.issuedAt), "auth_time": (*seconds)(&t.SignedInAt),
	} {
		value := t.claims[name]
		if value == nil || value.Kind() == 'n' {
			continue
		}
		if err := json.Unmarshal(value, into); err != nil {
			return nil, fmt.Errorf("claim %s: %w", name, err)
		}
	}
	t.audience = audience
	return t, nil
}

// audience is a text or a list of texts.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(text []byte) error {
	if jsontext.Value(text).Kind() != '"' {
		return json.Unmarshal(text, (*[]string)(a))
	}
	*a = audience{""}
	return json.Unmarshal(text, &(*a)[0])
}

// seconds is a time as a number of seconds since 1970.
type seconds time.Time

// lastSecond is the end of the year 9999.
const lastSecond = 253402300799

// UnmarshalJSON implements json.Unmarshaler. A part of a second is dropped.
func (s *seconds) UnmarshalJSON(text []byte) error {
	var n float64
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	if n < 0 || n > lastSecond {
		return fmt.Errorf("%g is no time", n)
	}
	*s = seconds(time.Unix(int64(n), 0))
	return nil
}

// check holds the claims against the rules.
func (t *Token) check(rules Rules, now time.Time) error {
	switch {
	case t.expires.IsZero() || t.issuedAt.IsZero():
		return refuse("does not say when it was issued and when it expires", nil)
	case !now.Before(t.expires.Add(rules.Skew)):
		return refuse("has expired", nil)
	case t.notBefore.After(now.Add(rules.Skew)) || t.issuedAt.After(now.Add(rules.Skew)):
		return refuse("is not valid yet", nil)
	case t.expires.Sub(t.issuedAt) > rules.Longest:
		return refuse("is valid for longer than this service accepts", fmt.Errorf("%s, and not at most %s", t.expires.Sub(t.issuedAt), rules.Longest))
	case rules.Audience == "" || !slices.Contains(t.audience, rules.Audience):
		return refuse("is not meant for this service", fmt.Errorf("its audience is %q", t.audience))
	case !printable(t.Subject):
		return refuse("does not say whom it is about", nil)
	case t.Claim("events") != nil: // a logout token or another security event (RFC 8417), signed with the same keys
		return refuse("is neither an access token nor an ID token", nil)
	case t.Claim("cnf") != nil: // RFC 7800; such a token is worth nothing without its key
		return refuse("is bound to a key, and this service takes bearer tokens alone", nil)
	}
	if !printable(t.ID) {
		t.ID = ""
	}
	if t.SignedInAt.After(t.issuedAt) {
		t.SignedInAt = t.issuedAt // nobody signs in after the token that says so
	}
	return nil
}

func printable(text string) bool {
	return text != "" && len(text) <= 255 && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' })
}
