package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Response is the envelope of every answer: {"success":…,"data":…,"error":…}. A plugin names its own with
// an alias, for the documentation; the host builds the envelope, Execute returns just T.
type Response[T any] struct {
	// Success tells whether the request was carried out.
	Success bool `json:"success" example:"true"`
	// Data is the result; null on failure.
	Data *T `json:"data"`
	// Error is null on success.
	Error *string `json:"error" extensions:"x-nullable"`
} // @name Response

// Failure is the envelope of every failed answer.
type Failure struct {
	// Success is false.
	Success bool `json:"success" example:"false"`
	// Data is null.
	Data *struct{} `json:"data" swaggertype:"object" extensions:"x-nullable"`
	// Error is a message for people.
	Error string `json:"error" example:"price must be greater than 0"`
	// Code is a stable name for programs.
	Code Code `json:"code" swaggertype:"string" example:"invalid"`
	// Details names every violated rule when the request was invalid.
	Details []Violation `json:"details,omitempty"`
} // @name Failure

// Empty is the result of an operation that has nothing to say: with [Status](204) the answer has no body,
// otherwise data is {}.
type Empty struct{}

// Binary is a result that is not JSON: an image, a file, a stream of bytes. It is sent without the envelope; a failure
// has the envelope. The host answers If-None-Match without reading the content, and Range requests for Bytes.
//
// When the content is not there yet, the handler sets status 202 with [SetStatus] and returns the zero Binary: the
// answer is the envelope with empty data.
type Binary struct {
	// ContentType is the media type. Required.
	ContentType string
	// Bytes is the content, when Stream is nil. The host keeps it until the client has received all of it. It counts as
	// memory of the request (see [Reserve]).
	Bytes []byte
	// Stream is the content, for content that is large. The host sends it in parts of 32 KiB, reads it to its end, and
	// closes it if it is an io.Closer. It reads after the handler has returned, for as long as the client goes on
	// receiving. That may be longer than the request's deadline, so a stream that reads from the database needs
	// [context.WithoutCancel]. The host answers Range requests for a stream that is an io.Seeker. For content that the
	// client must have at once, piece by piece, use [Boot.Raw].
	Stream io.Reader
	// Filename suggests a name to save the content under, and makes it a download; optional.
	Filename string
	// ETag identifies this version of the content, without quotes; optional.
	ETag string
	// MaxAge lets caches keep the content for that long; zero sends no-cache, so that a cache asks each
	// time whether the ETag still holds.
	MaxAge time.Duration
	// Immutable tells caches that the content at this URL never changes; it goes with MaxAge.
	Immutable bool
}

// Cookie is a cookie for [SetCookie]. The zero values are the safe choice: scripts cannot read the cookie, browsers send
// it over HTTPS alone, and not with forms and scripts of other sites.
type Cookie struct {
	// Name and Value have no spaces, quotes, commas, semicolons or control characters.
	Name, Value string
	// MaxAge is how long the browser keeps the cookie: 0 until the browser ends, less than 0 deletes it.
	MaxAge time.Duration
	// Path limits the cookie to the paths below it; "" means "/".
	Path string
	// Domain lets the domain and everything below it receive the cookie; "" lets only the host that set it.
	Domain string
	// SameSite says with which requests from other sites the browser sends the cookie; 0 means http.SameSiteLaxMode, with
	// links alone.
	SameSite http.SameSite
	// Readable lets scripts of the page read the cookie (no HttpOnly).
	Readable bool
	// Insecure lets the browser send the cookie over plain HTTP as well (no Secure).
	Insecure bool
}

// SetCookie sets a cookie with the answer, beside the others. It replaces one of the same name, path and domain that was
// set during this request. It refuses a cookie that a browser would not take: with a space in its name, for example, or
// a "__Host-" cookie with a domain. Outside a request it only checks.
func SetCookie(ctx context.Context, cookie Cookie) error {
	c := cookie.http()
	if err := c.Valid(); err != nil {
		return fmt.Errorf("set cookie %q: %w", cookie.Name, err)
	}
	host, secure := strings.HasPrefix(c.Name, "__Host-"), strings.HasPrefix(c.Name, "__Secure-")
	if host && (c.Domain != "" || c.Path != "/") || (host || secure || c.SameSite == http.SameSiteNoneMode) && !c.Secure {
		return fmt.Errorf("set cookie %q: browsers refuse it: __Host- and __Secure- names and SameSite=None need Secure, and __Host- the path / and no domain", c.Name)
	}
	if call := CallFrom(ctx); call != nil {
		call.changeHeader(func(h http.Header) { setCookie(h, c) })
	}
	return nil
}

func (c Cookie) http() *http.Cookie {
	h := &http.Cookie{ //nolint:gosec // secure and for the server alone, unless the plugin says otherwise
		Name: c.Name, Value: c.Value, Path: c.Path, Domain: c.Domain, SameSite: c.SameSite,
		HttpOnly: !c.Readable, Secure: !c.Insecure,
	}
	if h.Path == "" {
		h.Path = "/"
	}
	if h.SameSite == 0 {
		h.SameSite = http.SameSiteLaxMode
	}
	switch {
	case c.MaxAge < 0:
		h.MaxAge = -1
	case c.MaxAge > 0:
		h.MaxAge = int((c.MaxAge + time.Second - 1) / time.Second)
	}
	return h
}

// setCookie adds c to the header in place of an earlier one with the same identity.
func setCookie(h http.Header, c *http.Cookie) {
	const name = "Set-Cookie"
	kept := h[name][:0]
	for _, line := range h[name] {
		if other, err := http.ParseSetCookie(line); err != nil || other.Name != c.Name || other.Path != c.Path || other.Domain != c.Domain {
			kept = append(kept, line)
		}
	}
	h[name] = append(kept, c.String())
}
