package httpserver_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// capture mounts a handler that keeps the request it got.
func capture[Req any](t testing.TB, method, path string, opts ...app.EndpointOption) (kit, *Req) {
	var got Req
	h := app.Handle(func(_ context.Context, req Req) (app.Empty, error) { got = req; return app.Empty{}, nil })
	k := serve(t, func(b *app.Boot) {
		switch method {
		case "GET":
			b.GET(path, h, opts...)
		case "PATCH":
			b.PATCH(path, h, opts...)
		case "PUT":
			b.PUT(path, h, opts...)
		default:
			b.POST(path, h, opts...)
		}
	})
	return k, &got
}

// TestUploadsAreCopiedFewTimes holds that a large file costs memory for the body and for its content, and little more.
func TestUploadsAreCopiedFewTimes(t *testing.T) { //nolint:paralleltest // counts all of the process's allocations
	type upload struct {
		Title string    `form:"title"`
		Image *app.File `form:"image"`
	}
	k, got := capture[upload](t, "PUT", "/x", app.BodyLimit(8<<20))
	const size = 4 << 20
	body := multipartBody(titlePart, strings.TrimSuffix(imagePart, "PNG")+strings.Repeat("P", size))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := k.do("PUT", "/x", body, asMultipart)
	runtime.ReadMemStats(&after)
	require.Equal(t, 200, w.Code, w.Body)
	require.Len(t, got.Image.Content, size)
	require.Equal(t, "hello", got.Title)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*size), "which is more than it takes, also with the race detector")
}

// filePart is the part of a form with a file.
func filePart(field, fileName, content string) string {
	return "Content-Disposition: form-data; name=\"" + field + "\"; filename=\"" + fileName + "\"\r\n\r\n" + content
}

// Many parts cost what their contents need, and parts that nobody asks for, or that are one too many, cost nothing.
func TestAFormOfManyPartsTakesItsSize(t *testing.T) { //nolint:paralleltest // counts all of the process's allocations
	type upload struct {
		Title string      `form:"title"`
		Image *app.File   `form:"image"`
		Docs  []*app.File `form:"docs"`
	}
	k, got := capture[upload](t, "PUT", "/x", app.BodyLimit(8<<20))
	const parts = 200
	content := strings.Repeat("x", 16<<10)
	allocated := func(part string) (status int, of uint64) {
		body := multipartBody(slices.Repeat([]string{part}, parts)...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := k.do("PUT", "/x", body, asMultipart)
		runtime.ReadMemStats(&after)
		return w.Code, (after.TotalAlloc - before.TotalAlloc) / parts
	}
	part := uint64(len(content))

	status, of := allocated(filePart("docs", "a", content))
	require.Equal(t, 200, status)
	require.Less(t, of, 6*part)
	require.Len(t, got.Docs, parts)
	for _, doc := range got.Docs {
		require.Len(t, doc.Content, len(content))
		require.Less(t, cap(doc.Content), len(content)*5/4)
	}
	for name, c := range map[string]struct {
		part   string
		status int
	}{
		"an unknown field":      {"Content-Disposition: form-data; name=\"junk\"\r\n\r\n" + content, 200},
		"an unknown file":       {filePart("junk", "a", content), 200},
		"a field given again":   {"Content-Disposition: form-data; name=\"title\"\r\n\r\n" + content, 422},
		"a file given again":    {filePart("image", "a", content), 422},
		"a file for a field":    {filePart("title", "a", content), 422},
		"a file without a name": {filePart("image", "..", content[:1]), 422},
	} {
		status, of := allocated(c.part)
		require.Equal(t, c.status, status, name)
		require.Less(t, of, 4*part, name+": the body, and room for one part")
	}
}
