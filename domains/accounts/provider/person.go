package provider

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc" //plug:allow imports each call is given the host's client, see Client.call
	"golang.org/x/oauth2"               //plug:allow imports each call is given the host's client, see Client.call

	"plugboard/app"
	"plugboard/domains/accounts/models"
)

// Person is whom the provider has signed in.
type Person struct {
	// Issuer and Subject name the person for good.
	Issuer, Subject string
	// Email is in lower case. It is "" unless the provider says that it has verified the address, since anybody can write any address
	// into a profile.
	Email string
	// Name is how the person wants to be called; it may be empty.
	Name string
	// SignedInAt is when the person last proved to the provider who they are, which may be long ago; zero when the provider does not say.
	SignedInAt time.Time
}

// Answer is what the provider sends back with the browser.
type Answer struct {
	// Code is exchanged for the ID token. Issuer is the provider's name, where it sends that (RFC 9207). Error is a code of RFC 6749, section
	// 4.1.2.1, in the place of Code.
	Code, Issuer, Error string
}

// Identify returns who came back in a flow. The error is [app.Unauthorized], with the cause for the log, when the provider does not vouch for anybody, or not
// in a way that can be trusted; [app.Forbidden] when it refused the sign-in; and [app.Unavailable] when it cannot be reached.
func (c *Client) Identify(ctx context.Context, a Answer, flow models.Flow) (Person, error) {
	ctx, cancel := c.call(ctx)
	defer cancel()
	k, err := c.discover(ctx)
	if err != nil {
		return Person{}, err
	}
	if a.Issuer != "" && a.Issuer != c.settings.Issuer || a.Issuer == "" && k.namesItself {
		return Person{}, refused(errors.New("the answer comes from another provider"))
	}
	if a.Error != "" {
		return Person{}, refusal(a.Error)
	}
	if a.Code == "" {
		return Person{}, refused(errors.New("the answer has no code"))
	}
	tokens, err := k.config.Exchange(ctx, a.Code, oauth2.VerifierOption(flow.Verifier))
	if err != nil {
		return Person{}, exchangeError(err)
	}
	text, _ := tokens.Extra("id_token").(string)
	if text == "" {
		return Person{}, refused(errors.New("the token endpoint sent no ID token"))
	}
	return c.read(ctx, k, text, flow.Nonce)
}

// claims are those of an ID token that package oidc does not read.
type claims struct {
	AuthorizedParty string  `json:"azp"`
	Email           string  `json:"email"`
	EmailVerified   any     `json:"email_verified"` // some providers write "true"
	Name            string  `json:"name"`
	AuthTime        float64 `json:"auth_time"`
}

// read verifies an ID token (OpenID Connect Core 1.0, section 3.1.3.7) and returns whom it names.
func (c *Client) read(ctx context.Context, k *known, text, nonce string) (Person, error) {
	try := &attempt{keys: k.keys, algorithms: k.algorithms}
	config := &oidc.Config{ClientID: c.settings.ClientID, Now: c.clock.Now}
	for _, a := range k.algorithms {
		config.SupportedSigningAlgs = append(config.SupportedSigningAlgs, string(a))
	}
	token, err := oidc.NewVerifier(c.settings.Issuer, try, config).Verify(ctx, text)
	switch {
	case try.err != nil && !errors.Is(try.err, errSignature):
		return Person{}, unavailable(try.err)
	case err != nil:
		return Person{}, refused(err)
	}
	var more claims
	if err := token.Claims(&more); err != nil {
		return Person{}, refused(errors.New("a claim of the ID token is of another type"))
	}
	switch party := more.AuthorizedParty; {
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1:
		return Person{}, refused(errors.New("the ID token has another nonce"))
	case party != "" && party != c.settings.ClientID, party == "" && len(token.Audience) > 1:
		return Person{}, refused(errors.New("the ID token was issued to another client"))
	case !isName(token.Subject):
		return Person{}, refused(errors.New("the ID token's subject is no name"))
	}
	return Person{
		// The issuer is that of the settings: Google writes two, which are one.
		Issuer: c.settings.Issuer, Subject: token.Subject, Email: verifiedEmail(more), Name: shown(more.Name), SignedInAt: c.instant(more.AuthTime),
	}, nil
}

// isName reports whether a subject is one: up to 255 ASCII characters (OpenID Connect Core 1.0, section 2).
func isName(subject string) bool {
	const longest = 255
	return subject != "" && len(subject) <= longest && !strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r >= 0x7f })
}

// verifiedEmail returns the address that the provider has verified, in lower case, or "". It is of ASCII: other letters may become those of somebody
// else's address in lower case, such as the Kelvin sign.
func verifiedEmail(c claims) string {
	const longest = 254
	if c.EmailVerified != true && c.EmailVerified != "true" || len(c.Email) > longest ||
		strings.ContainsFunc(c.Email, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return ""
	}
	if address, err := mail.ParseAddress(c.Email); err != nil || address.Address != c.Email {
		return ""
	}
	return strings.ToLower(c.Email)
}

// shown returns a name without what a page or a terminal cannot show, and not longer than a user may have one.
func shown(name string) string {
	const longest = 100
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > longest {
		name = string(runes[:longest])
	}
	return strings.TrimSpace(name)
}

// instant returns the time of a sign-in, which is not in the future.
func (c *Client) instant(seconds float64) time.Time {
	now := c.clock.Now()
	if seconds <= 0 {
		return time.Time{}
	}
	if seconds >= float64(now.Unix()) {
		return now
	}
	return time.Unix(int64(seconds), 0)
}

// refused is the refusal of what a provider sent. The cause is for the log.
func refused(cause error) error {
	return app.Errorf(app.Unauthorized, "the identity provider did not confirm the sign-in; begin again").Because(cause)
}

// refusal turns an error code of the provider into one for the caller. What the provider writes beside it is not looked at.
func refusal(code string) error {
	known := []string{
		"invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope", "server_error", "temporarily_unavailable",
		"interaction_required", "login_required", "account_selection_required", "consent_required",
	}
	if !slices.Contains(known, code) {
		code = "an error that is not known"
	}
	cause := fmt.Errorf("the provider answered %s", code)
	switch code {
	case "server_error", "temporarily_unavailable":
		return unavailable(cause)
	}
	return app.Errorf(app.Forbidden, "the sign-in was cancelled, or the identity provider refused it").Because(cause)
}

// exchangeError turns an error of the token endpoint into one for the caller. Its text may hold what must not be logged.
func exchangeError(err error) error {
	var answered *oauth2.RetrieveError
	var network *url.Error
	switch {
	case errors.As(err, &answered) && answered.ErrorCode == "invalid_grant":
		return refused(errors.New("the token endpoint refused the code: invalid_grant"))
	case errors.As(err, &answered):
		known := []string{"invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
		code := "no known error"
		if slices.Contains(known, answered.ErrorCode) {
			code = answered.ErrorCode
		}
		return unavailable(fmt.Errorf("the token endpoint answered %d, %s", answered.Response.StatusCode, code))
	case errors.As(err, &network):
		return unavailable(fmt.Errorf("exchange the code: %w", network))
	}
	return unavailable(errors.New("the token endpoint's answer is not understood"))
}
