package httpserver_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// A refused If-Match was answered outside the envelope, and a range of an unknown unit was refused with 416. All kinds of
// binary answers must keep to RFC 9110 here.
func TestConditionsAndRangesOfBinaryAnswers(t *testing.T) {
	t.Parallel()
	const (
		content = "0123456789"
		other   = `{"success":false,"data":null,"error":"the content is not the one that If-Match names","code":"precondition_failed"}`
		outside = `{"success":false,"data":null,"error":"the range is not within the content","code":"range_not_satisfiable"}`
	)
	cases := []struct {
		method  string
		headers []string
		status  int
		body    string
		whole   bool // of a stream that cannot be read from the middle, the same
	}{
		{"GET", []string{`If-Match: "v,1"`}, 200, content, true},
		{"GET", []string{`If-Match: "x", "v,1"`}, 200, content, true},
		{"GET", []string{`If-Match: "x"`, `If-Match: "v,1"`}, 200, content, true},
		{"GET", []string{`If-Match: *`}, 200, content, true},
		{"GET", []string{`If-Match: "x"`}, 412, other, true},
		{"GET", []string{`If-Match: W/"v,1"`}, 412, other, true},
		{"GET", []string{`If-Match: v,1`}, 412, other, true},
		{"GET", []string{`If-Match: "x"`, `If-None-Match: "v,1"`, "Range: bytes=1-2"}, 412, other, true},
		{"HEAD", []string{`If-Match: "x"`}, 412, "", true},
		{"GET", []string{`If-None-Match: W/"v,1"`}, 304, "", true},
		{"GET", []string{`If-None-Match: *`}, 304, "", true},
		{"GET", []string{`If-Match: "v,1"`, `If-None-Match: "v,1"`}, 304, "", true},
		{"GET", []string{"Range: lines=1-2"}, 200, content, true},
		{"GET", []string{"Range: bytes"}, 200, content, true},
		{"GET", []string{"Range: bytes=1-2", "Range: bytes=3-4"}, 200, content, true},
		{"GET", []string{"Range: bytes=1-2"}, 206, "12", false},
		{"GET", []string{"Range: Bytes=1-2"}, 206, "12", false},
		{"GET", []string{"Range: bytes=10-"}, 416, outside, false},
		{"GET", []string{"Range: bytes=10-", `If-Range: "x"`}, 200, content, true},
		{"GET", []string{"Range: bytes=1-2", `If-Range: "v,1"`}, 206, "12", false},
		{"GET", []string{"Range: bytes=1-2", `If-Range: W/"v,1"`}, 200, content, true},
		{"HEAD", []string{"Range: bytes=1-2"}, 200, "", true},
		{"HEAD", []string{"Range: bytes=10-"}, 200, "", true},
		{"POST", []string{`If-Match: "x"`, "Range: bytes=1-2"}, 200, content, true},
	}
	var reads *seekable
	k := serve(t, func(b *app.Boot) {
		for path, answer := range map[string]func() app.Binary{
			"/bytes": func() app.Binary { return app.Binary{Bytes: []byte(content)} },
			"/seekable": func() app.Binary {
				reads = &seekable{ReadSeeker: strings.NewReader(content)}
				return app.Binary{Stream: reads}
			},
			"/stream": func() app.Binary { return app.Binary{Stream: io.MultiReader(strings.NewReader(content))} },
		} {
			h := app.Handle(func(context.Context, nothing) (app.Binary, error) {
				binary := answer()
				binary.ContentType, binary.ETag = "text/plain", "v,1"
				return binary, nil
			})
			b.GET(path, h)
			b.POST(path, h)
		}
	})
	tagless := serve(t, func(b *app.Boot) {
		b.GET("/tagless", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			return app.Binary{ContentType: "text/plain", Bytes: []byte(content)}, nil
		}))
	})
	require.Equal(t, 304, tagless.do("GET", "/tagless", "", `If-None-Match: *`).Code, "there is some content")
	require.Equal(t, 200, tagless.do("GET", "/tagless", "", `If-None-Match: "v,1"`).Code)
	for _, path := range []string{"/bytes", "/seekable", "/stream"} {
		for _, c := range cases {
			if path == "/stream" && !c.whole {
				c.status, c.body = 200, content
			}
			w := k.do(c.method, path, "", c.headers...)
			require.Equal(t, c.status, w.Code, "%s %s %q", c.method, path, c.headers)
			require.Equal(t, c.body, w.Body.String(), "%s %s %q", c.method, path, c.headers)
			if c.status == 412 || c.status == 416 {
				require.Equal(t, "application/json", w.Header().Get("Content-Type"))
				require.Empty(t, w.Header().Get("ETag"))
			}
			if path == "/seekable" && c.status == 412 {
				require.Zero(t, reads.reads)
			}
		}
	}
}
