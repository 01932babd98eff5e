package httpserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// closer notes that it was closed.
type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

func TestBinaryBytes(t *testing.T) {
	t.Parallel()
	k := answering(t, func(context.Context) (app.Binary, error) {
		return app.Binary{ContentType: "image/png", Bytes: []byte("0123456789"), ETag: "v1", Filename: "ä b.png", MaxAge: time.Hour, Immutable: true}, nil
	})
	w := k.do("GET", "/x", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "0123456789", w.Body.String())
	for name, want := range map[string]string{
		"Content-Type": "image/png", "Content-Length": "10", "Etag": `"v1"`, "Cache-Control": "public, max-age=3600, immutable",
		"Content-Disposition": "attachment; filename*=utf-8''%C3%A4%20b.png", "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff",
	} {
		require.Equal(t, want, w.Header().Get(name), name)
	}
	w = k.do("GET", "/x", "", `If-None-Match: "v0", W/"v1"`)
	require.Equal(t, 304, w.Code)
	require.Empty(t, w.Body.String())
	require.Equal(t, 200, k.do("GET", "/x", "", `If-None-Match: "v2"`).Code)

	w = k.do("GET", "/x", "", "Range: bytes=2-4")
	require.Equal(t, 206, w.Code)
	require.Equal(t, "234", w.Body.String())
	require.Equal(t, "bytes 2-4/10", w.Header().Get("Content-Range"))

	w = k.do("GET", "/x", "", "Range: bytes=20-")
	require.Equal(t, 416, w.Code)
	require.Equal(t, `{"success":false,"data":null,"error":"the range is not within the content","code":"range_not_satisfiable"}`, w.Body.String())
	require.Equal(t, "bytes */10", w.Header().Get("Content-Range"))
	require.Empty(t, w.Header().Get("Content-Disposition"))

	w = k.do("HEAD", "/x", "")
	require.Equal(t, "10", w.Header().Get("Content-Length"))
	require.Empty(t, w.Body.String())
}

func TestBinaryStream(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("abc", 50_000)
	var last *closer
	k := answering(t, func(context.Context) (app.Binary, error) {
		last = &closer{Reader: strings.NewReader(long)}
		return app.Binary{ContentType: "text/plain", Stream: last, ETag: "s"}, nil
	}, app.Guard(func(ctx context.Context, _ *http.Request) (context.Context, error) { return ctx, nil }))
	w := k.do("GET", "/x", "")
	require.Equal(t, long, w.Body.String())
	require.Equal(t, "private, no-cache", w.Header().Get("Cache-Control"), "a guard protects it")
	require.True(t, last.closed)
	require.Equal(t, 304, k.do("GET", "/x", "", `If-None-Match: "s"`).Code)
	require.True(t, last.closed)
	require.Empty(t, k.do("HEAD", "/x", "").Body.String())
	require.True(t, last.closed)
}

func TestBinaryFailures(t *testing.T) {
	t.Parallel()
	internal := `{"success":false,"data":null,"error":"internal error","code":"internal"}`
	for name, c := range map[string]struct {
		binary app.Binary
		set    int
		err    error
		body   string
	}{
		"error":            {app.Binary{}, 0, app.Errorf(app.NotFound, "no image"), `{"success":false,"data":null,"error":"no image","code":"not_found"}`},
		"no content type":  {app.Binary{Bytes: []byte("x")}, 0, nil, internal},
		"malformed etag":   {app.Binary{ContentType: "a/b", ETag: `"`}, 0, nil, internal},
		"error status":     {app.Binary{ContentType: "a/b"}, 404, nil, internal},
		"stream cut off":   {app.Binary{ContentType: "a/b", Stream: io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF))}, 0, nil, internal},
		"stream wraps EOF": {app.Binary{ContentType: "a/b", Stream: iotest.ErrReader(fmt.Errorf("read upstream: %w", io.EOF))}, 0, nil, internal},
		"stream that dies": {app.Binary{ContentType: "a/b", Stream: iotest.ErrReader(errInternal), ETag: "x"}, 0, nil, internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := answering(t, func(ctx context.Context) (app.Binary, error) {
				if c.set != 0 {
					app.SetStatus(ctx, c.set)
				}
				return c.binary, c.err
			})
			w := k.do("GET", "/x", "")
			require.Equal(t, c.body, w.Body.String())
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			require.Empty(t, w.Header().Get("ETag"))
		})
	}
}

func TestBinaryStreamThatBreaksLaterBreaksTheConnection(t *testing.T) {
	t.Parallel()
	k := answering(t, func(context.Context) (app.Binary, error) {
		broken := io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), iotest.ErrReader(errors.New("disk gone")))
		return app.Binary{ContentType: "text/plain", Stream: broken}, nil
	})
	server := httptest.NewServer(k.Handler())
	defer server.Close()
	res, err := http.Get(server.URL + "/x")
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	require.Error(t, err)
	require.Equal(t, 1, k.logs.FilterMessage("reading the stream of an answer failed").Len())
}

func TestBinaryAnswersToOtherMethodsAndStatuses(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.POST("/x", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			return app.Binary{ContentType: "text/plain", Bytes: []byte("made"), ETag: "e"}, nil
		}), app.Status(201))
		b.GET("/none", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			return app.Binary{Bytes: []byte("x")}, nil
		}), app.Status(202, 204), app.Status(204))
	})
	w := k.do("POST", "/x", "", `If-None-Match: "e"`)
	require.Equal(t, 201, w.Code)
	require.Equal(t, "made", w.Body.String())
	require.Equal(t, 500, k.do("GET", "/none", "").Code, "202 without a content type")
}

// Content that is not there yet is announced in the envelope; any other answer without a content type is a mistake.
func TestBinaryThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	k := answering(t, func(ctx context.Context) (app.Binary, error) {
		app.SetStatus(ctx, 202)
		app.SetHeader(ctx, "Retry-After", "1")
		return app.Binary{}, nil
	}, app.Status(200, 202))
	w := k.do("GET", "/x", "", `If-None-Match: *`)
	require.Equal(t, 202, w.Code)
	require.Equal(t, `{"success":true,"data":{},"error":null}`, w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))

	w = k.do("HEAD", "/x", "")
	require.Equal(t, 202, w.Code)
	require.Empty(t, w.Body.String())

	k = answering(t, func(context.Context) (app.Binary, error) { return app.Binary{}, nil })
	require.Equal(t, 500, k.do("GET", "/x", "").Code, "200 with nothing")
}

// A shared cache could keep what a guard protects when there was no age, and hand one caller's cookie to others when there was one.
func TestSharedCachesKeepOnlyWhatIsForEverybody(t *testing.T) {
	t.Parallel()
	guard := app.Guard(func(ctx context.Context, _ *http.Request) (context.Context, error) { return ctx, nil })
	for _, c := range []struct {
		age             time.Duration
		guarded, cookie bool
		want            string
	}{
		{0, false, false, "no-cache"},
		{0, true, false, "private, no-cache"},
		{0, false, true, "private, no-cache"},
		{time.Minute, false, false, "public, max-age=60"},
		{time.Minute, true, false, "private, max-age=60"},
		{time.Minute, false, true, "private, max-age=60"},
	} {
		var options []app.EndpointOption
		if c.guarded {
			options = append(options, guard)
		}
		k := answering(t, func(ctx context.Context) (app.Binary, error) {
			if c.cookie {
				require.NoError(t, app.SetCookie(ctx, app.Cookie{Name: "a", Value: "1"}))
			}
			return app.Binary{ContentType: "text/plain", Bytes: []byte("x"), ETag: "v", MaxAge: c.age}, nil
		}, options...)
		require.Equal(t, c.want, k.do("GET", "/x", "").Header().Get("Cache-Control"))
		require.Equal(t, c.want, k.do("GET", "/x", "", `If-None-Match: "v"`).Header().Get("Cache-Control"), "not modified")
	}
}
