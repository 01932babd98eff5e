package oidc

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"plugboard/app"
)

// LargestToken is how many bytes a token may have. Those of providers have one or two thousand.
const LargestToken = 16 << 10

// Rules are what a token must satisfy.
type Rules struct {
	// Audience is what the token is for; it is among those that the token names.
	Audience string
	// Algorithms are those that the token may be signed by, in the names of RFC 7518: "RS256". None of them may be symmetric: names
	// that are not of [Algorithms] are never accepted.
	Algorithms []string
	// Skew is how far the clocks of the provider and of this machine may be apart.
	Skew time.Duration
	// Longest is how long after its issue a token may expire.
	Longest time.Duration
}

// Algorithms returns the algorithms that tokens can be signed by. All have a private key, which the provider alone has.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// header is the head of a signed token (RFC 7515, section 4).
type header struct {
	Algorithm string         `json:"alg"`
	Key       string         `json:"kid"`
	Type      string         `json:"typ"`
	Critical  jsontext.Value `json:"crit"`
	Encoded   jsontext.Value `json:"b64"`
}

// Verify returns what a token says, once its signature and its claims are found to be right. An error of code Unauthorized has a message for
// whoever sent the token; one of code Unavailable says that the provider's keys cannot be had.
func (p *Provider) Verify(ctx context.Context, token string, rules Rules) (*Token, error) {
	head, t, err := parse(token)
	if err != nil {
		return nil, refuse("is malformed", err)
	}
	switch {
	case head.Critical != nil || head.Encoded != nil: // extensions, of which this package knows none
		return nil, refuse("has extensions that this service does not know", nil)
	case !slices.Contains(rules.Algorithms, head.Algorithm) || !slices.Contains(Algorithms(), head.Algorithm):
		return nil, refuse("is signed by an algorithm that this service does not accept", nil)
	case !slices.Contains([]string{"", "jwt", "at+jwt"}, strings.TrimPrefix(strings.ToLower(head.Type), "application/")):
		return nil, refuse("is neither an access token nor an ID token", nil)
	case t.issuer != p.issuer: // before keys are looked for, so that tokens of others never lead to a fetch
		return nil, refuse("is not from this service's identity provider", nil)
	}
	if err := p.verifySignature(ctx, token, head); err != nil {
		return nil, err
	}
	if err := t.check(rules, time.Now()); err != nil {
		return nil, err
	}
	return t, nil
}

// refuse says in one sentence what is wrong with a token.
func refuse(what string, cause error) *app.Error {
	return app.Errorf(app.Unauthorized, "the token %s", what).Because(cause)
}

// verifySignature finds the key that has signed the token.
func (p *Provider) verifySignature(ctx context.Context, token string, head header) error {
	keys, err := p.keys.find(ctx, head.Key)
	if errors.Is(err, errUnknownKey) {
		return refuse("has no valid signature", err)
	}
	if err != nil {
		return err
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(head.Algorithm)})
	if err != nil {
		return refuse("is malformed", err)
	}
	for _, key := range keys.of(head) {
		if _, err := signed.Verify(key.Key); err == nil {
			return nil
		}
	}
	return refuse("has no valid signature", nil)
}

// parse reads a token in its compact form: header, claims and signature, with dots between. Nothing of it is known to be true yet.
func parse(token string) (head header, t *Token, err error) {
	if len(token) > LargestToken {
		return head, nil, errors.New("it is too long")
	}
	if strings.ContainsAny(token, "\r\n") { // which the decoder of base64 passes over
		return head, nil, errors.New("it has more than one line")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 { //nolint:mnd // see above
		return head, nil, errors.New("it does not have three parts")
	}
	if err := decode(parts[0], &head); err != nil {
		return head, nil, err
	}
	var claims map[string]jsontext.Value
	if err := decode(parts[1], &claims); err != nil {
		return head, nil, err
	}
	t, err = readClaims(claims)
	return head, t, err
}

// decode reads a part of a token. A name that stands twice in an object is an error, as RFC 7519 allows in section 4, since readers
// disagree about which of the two counts.
func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
