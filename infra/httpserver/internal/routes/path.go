package routes

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"
)

// Segments returns the decoded segments of a path. A slash that the client sent as "%2F" is part of its segment.
func Segments(u *url.URL) []string {
	if u.RawPath == "" { // the path has no encoding that could be read in two ways
		return strings.Split(u.Path, "/")
	}
	segments := strings.Split(u.RawPath, "/")
	for i, segment := range segments {
		if decoded, err := url.PathUnescape(segment); err == nil {
			segments[i] = decoded
		}
	}
	return segments
}

// Routed returns the request for the router, which compares paths byte by byte: characters that the client encoded without need are
// decoded in it, so that "/%70roducts" is "/products". The endpoint gets r itself.
func Routed(r *http.Request) *http.Request {
	if r.URL.RawPath == "" {
		return r
	}
	segments := Segments(r.URL)
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	u, asked := *r.URL, *r
	u.RawPath = strings.Join(segments, "/")
	asked.URL = &u
	return &asked
}

// DecodeParams decodes the path parameters of a request that came by [Routed]. They are encoded when its path has encoded characters.
func DecodeParams(c *gin.Context) {
	if c.Request.URL.RawPath == "" {
		return
	}
	for i := range c.Params {
		if decoded, err := url.PathUnescape(c.Params[i].Value); err == nil {
			c.Params[i].Value = decoded
		}
	}
}
