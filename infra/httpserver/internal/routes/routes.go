// Package routes checks the paths of endpoints against each other.
//
// Gin would panic on two routes that cannot stand beside each other, without naming anybody. The server asks this package first,
// at start, so that the error names both owners.
package routes

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// Parse takes a route's path apart and returns the names of its parameters. A path is "/" or segments of
// unreserved characters, where a whole segment may be ":name" and the last one "*name".
func Parse(path string) (params []string, why string) {
	if path == "/" {
		return nil, ""
	}
	if !strings.HasPrefix(path, "/") {
		return nil, `the path must begin with "/"`
	}
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		name, wild := wildcard(segment)
		switch {
		case segment == "":
			return nil, `the path must have neither "//" nor a "/" at its end`
		case segment == "." || segment == "..":
			return nil, fmt.Sprintf("the path must not have the segment %q", segment)
		case !wild && strings.Trim(segment, unreserved) != "":
			return nil, fmt.Sprintf("the path segment %q has other characters than letters, digits and -._~", segment)
		case !wild:
			continue
		case !isName(name):
			return nil, fmt.Sprintf("the path segment %q must be named by letters, digits and _", segment)
		case segment[0] == '*' && i < len(segments)-1:
			return nil, fmt.Sprintf("the path segment %q takes the rest of the path and must be the last", segment)
		case slices.Contains(params, name):
			return nil, fmt.Sprintf("the path has two parameters named %q", name)
		}
		params = append(params, name)
	}
	return params, ""
}

const unreserved = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"

// wildcard returns the name of a segment that is ":name" or "*name".
func wildcard(segment string) (name string, ok bool) {
	if segment == "" || (segment[0] != ':' && segment[0] != '*') {
		return "", false
	}
	return segment[1:], true
}

func isName(name string) bool {
	return name != "" && (name[0] < '0' || name[0] > '9') &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// owner names who registered a route: "GET /a of plugin x.y (file:12)".
type owner string

// tree holds the routes of one method. Each node stands for the beginning of a path, the root for "/".
type tree struct {
	leaf     owner            // the owner of the route that ends here; "" without one
	any      owner            // the owner of some route through here, to name one in an error
	children map[string]*tree // by the next segment, ":" for a parameter
	param    string           // the name of the parameter under ":"
	rest     owner            // the owner of the route that takes the rest of the path from here; "" without one
	restName string           // the name of the parameter that gets that rest
}

// add puts a route into the tree and returns the route it conflicts with, and why.
func (t *tree) add(path string, by owner) (with owner, why string) {
	node := t
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if segment == "" {
			break
		}
		next, with, why := node.step(segment, by)
		if why != "" {
			return with, why
		}
		if next == nil {
			return "", "" // it was a "*name"
		}
		node = next
	}
	if node.leaf != "" {
		return node.leaf, "they are the same route"
	}
	node.leaf = by
	return "", ""
}

// step goes down one segment and makes the child if there is none. The child is nil behind a "*name".
func (t *tree) step(segment string, by owner) (next *tree, with owner, why string) {
	name, wild := wildcard(segment)
	switch {
	case t.rest != "" && segment == "*"+t.restName:
		return nil, t.rest, "they are the same route"
	case t.rest != "":
		return nil, t.rest, fmt.Sprintf(`"*%s" already takes every path there`, t.restName)
	case wild && segment[0] == '*':
		for _, child := range t.children {
			return nil, child.any, fmt.Sprintf("%q takes every path there", segment)
		}
		t.rest, t.restName = by, name
		return nil, "", ""
	case wild && t.param != "" && t.param != name:
		return nil, t.children[":"].any, fmt.Sprintf(`they call the same segment ":%s" and ":%s"; use one name`, name, t.param)
	}
	key := segment
	if wild {
		key, t.param = ":", name
	}
	if t.children == nil {
		t.children = map[string]*tree{}
	}
	child := t.children[key]
	if child == nil {
		child = &tree{any: by}
		t.children[key] = child
	}
	return child, "", ""
}

// Match reports whether the segments of a path fit those of a route, and how many of the route's segments are literal.
func Match(route, given []string) (literal int, ok bool) {
	for i, segment := range route {
		_, wild := wildcard(segment)
		switch {
		case wild && segment[0] == '*':
			return literal, len(given) > i
		case i >= len(given):
			return 0, false
		case wild:
			if given[i] == "" {
				return 0, false
			}
		case segment != given[i]:
			return 0, false
		default:
			literal++
		}
	}
	return literal, len(given) == len(route)
}

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

// Routed returns the request that the router is given. The router compares paths byte by byte, so Routed writes each segment in one way:
// "/%70roducts" becomes "/products". The endpoint gets r itself.
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
