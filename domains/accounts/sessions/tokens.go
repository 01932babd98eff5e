package sessions

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"plugboard/app"
)

// The tokens begin with what they are, so that a scanner of sources recognises one that was written into a file.
const (
	sessionPrefix = "pbs_"
	keyPrefix     = "pbk_"
	ticketPrefix  = "pbt_"
	devicePrefix  = "pbd_"
)

// The cookies. The prefix __Host- has browsers take them from this host alone, over HTTPS or from the own machine.
const (
	SessionCookie = "__Host-session"
	DeviceCookie  = "__Host-device"
)

// credentialOfSession is what a principal's Credential begins with when it is a session, before the session's id.
const credentialOfSession = "session "

// Of returns the id of the session that a principal has signed in with, "" for another credential, such as a key.
func Of(who app.Principal) string {
	id, is := strings.CutPrefix(who.Credential, credentialOfSession)
	if !is {
		return ""
	}
	return id
}

// newToken returns 256 random bits as text, with a prefix.
func newToken(prefix string) string {
	const size = 32
	var bits [size]byte
	_, _ = rand.Read(bits[:]) // it never fails
	return prefix + base64.RawURLEncoding.EncodeToString(bits[:])
}

// hashOf returns the hash by which a token is stored. A token is random, so nobody can try all: it needs no slow hash.
func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

var errBoth = app.Errorf(app.Unauthorized, "the cookie and the header Authorization differ; send one of them")

// tokenOf returns the token of a request, "" when it has none: that of the header Authorization, or that of the cookie.
func tokenOf(r *http.Request) (string, error) {
	bearer, err := bearerOf(r.Header["Authorization"])
	if err != nil {
		return "", err
	}
	cookie := ""
	for _, c := range r.CookiesNamed(SessionCookie) {
		switch {
		case c.Value == "":
		case cookie != "" && cookie != c.Value:
			return "", app.Errorf(app.Unauthorized, "the request has two cookies named %s", SessionCookie)
		case !strings.HasPrefix(c.Value, sessionPrefix):
			return "", Unknown()
		default:
			cookie = c.Value
		}
	}
	switch {
	case bearer == "":
		return cookie, nil
	case cookie == "" || cookie == bearer:
		return bearer, nil
	default:
		return "", errBoth
	}
}

// bearerOf returns the token of the header Authorization, "" when there is none. Other schemes belong to others.
func bearerOf(lines []string) (string, error) {
	switch {
	case len(lines) == 0:
		return "", nil
	case len(lines) > 1:
		return "", app.Errorf(app.Unauthorized, "the request has the header Authorization twice")
	}
	scheme, token, _ := strings.Cut(lines[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	token = strings.TrimSpace(token)
	if token == "" {
		return "", Unknown()
	}
	return token, nil
}

// Unknown returns the refusal of credentials that do not hold, whatever the reason: others must not learn which there were.
func Unknown() error {
	return app.Errorf(app.Unauthorized, "the session or key is not known, or is over; sign in again")
}

// SetCookie gives the browser the token of a session until it expires.
func (s *Store) SetCookie(ctx context.Context, token string) error {
	return app.SetCookie(ctx, app.Cookie{Name: SessionCookie, Value: token, MaxAge: s.settings.Lifetime})
}

// Give gives the caller the token of a session in the way that it asked for: use is "token" for one that stands in the answer, which Give returns;
// otherwise the browser gets the cookie, and the answer has no token.
func (s *Store) Give(ctx context.Context, use, token string) (inAnswer string, err error) {
	if use == "token" {
		return token, nil
	}
	return "", s.SetCookie(ctx, token)
}

// ClearCookie has the browser forget its session.
func (s *Store) ClearCookie(ctx context.Context) error {
	return app.SetCookie(ctx, app.Cookie{Name: SessionCookie, MaxAge: -time.Second})
}
