package httpserver

import (
	"net/http"
	"strings"
)

// hasOther reports whether the client wants the content only if it has another tag than etag, which is "" where the content
// has none. It is compared before anything of the content is read.
func (x *exchange) hasOther(etag string) bool {
	given := x.request.Header["If-Match"]
	return len(given) > 0 && !etagMatches(given, etag, false)
}

// etagMatches reports whether one of the tags in the given header lines is etag, or "*" is among them. RFC 9110 has
// If-None-Match compared weakly, and If-Match not. What follows a malformed tag in its line is ignored.
func etagMatches(given []string, etag string, weakly bool) bool {
	for _, rest := range given {
		for {
			rest = strings.TrimLeft(rest, " \t,")
			if strings.HasPrefix(rest, "*") {
				return true
			}
			tagged, weak := strings.CutPrefix(rest, "W/")
			if !strings.HasPrefix(tagged, `"`) {
				break
			}
			tag, after, closed := strings.Cut(tagged[1:], `"`)
			if closed && etag != "" && tag == etag && (weakly || !weak) {
				return true
			}
			rest = after
		}
	}
	return false
}

// rangeRequest returns what http.ServeContent is to know of the request: the method, and which bytes are asked for. Ranges
// are for GET alone, and of a unit that is not known they are ignored (RFC 9110, section 14.2). Conditions were looked at before.
func (x *exchange) rangeRequest() *http.Request {
	const unit = "bytes="
	r := &http.Request{Method: x.request.Method, Header: http.Header{}}
	given := x.request.Header["Range"]
	if r.Method != http.MethodGet || len(given) != 1 || len(given[0]) < len(unit) || !strings.EqualFold(given[0][:len(unit)], unit) {
		return r
	}
	r.Header["Range"] = []string{unit + given[0][len(unit):]}
	if since, ok := x.request.Header["If-Range"]; ok {
		r.Header["If-Range"] = since
	}
	return r
}
