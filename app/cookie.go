package app

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

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
