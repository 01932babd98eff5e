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

// Binary is a result that is not JSON: an image, a file, a stream of bytes. It is sent as it is, without
// the envelope; failures keep the envelope. The host answers If-None-Match, without reading the content, and, for bytes, Range requests.
//
// The zero Binary under status 202, which the handler sets with [SetStatus], says that the content is not there yet; it
// is answered in the envelope, with empty data.
type Binary struct {
	// ContentType is the media type. Required.
	ContentType string
	// Bytes is the content, when Stream is nil. It is held until the client has taken all of it, and counts as memory
	// of the request (see [Reserve]).
	Bytes []byte
	// Stream is the content; the host reads it to its end and closes it if it is an io.Closer. It is for content that is
	// large, and sent in parts of 32 KiB as they fill up. It is read after the handler has returned, and as long as the
	// client takes some of it, which may be longer than the request's deadline: what it reads from the database needs
	// [context.WithoutCancel]. The host answers Range requests for one that is an io.Seeker too. What the client must have at once, piece by piece, is for
	// [Boot.Raw].
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

// Cookie is a cookie for [SetCookie]. Its zero values are the safe choice: scripts cannot read it, it goes over HTTPS
// alone, and other sites' forms and scripts do not send it along.
type Cookie struct {
	// Name and Value have no spaces, quotes, commas, semicolons or control characters.
	Name, Value string
	// MaxAge is how long the browser keeps the cookie: 0 until the browser ends, less than 0 deletes it.
	MaxAge time.Duration
	// Path limits the cookie to the paths below it; "" means "/".
	Path string
	// Domain gives the cookie to the domain and all below it; "" gives it to the host alone that set it.
	Domain string
	// SameSite says which requests of other sites it goes along with; 0 means http.SameSiteLaxMode: with links alone.
	SameSite http.SameSite
	// Readable lets scripts of the page read it (no HttpOnly).
	Readable bool
	// Insecure has it sent over plain HTTP as well (no Secure).
	Insecure bool
}

// SetCookie sets a cookie with the answer, beside the others; one of the same name, path and domain that was set during
// this request is replaced. It refuses what a browser would not take, such as a name with a space or a "__Host-" cookie
// with a domain. Outside a request it only checks.
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
