package plugins_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/media"
	"plugboard/domains/media/plugins"
)

const noMemory = "the service has no memory left for this now, try again later"

// exhaust reserves all of memory but n bytes, and returns how much that is.
func exhaust(memory app.Memory, n int64) (reserved int64) {
	for part := int64(1) << 50; part > 0; part /= 2 {
		for memory.Reserve(part) == nil {
			reserved += part
		}
	}
	memory.Release(n)
	return reserved - n
}

// Ten pictures of 4096×4096 pixels at once ended the process. One is decoded only when there is room for what its header says, in
// requests and in deliveries alike, and whoever has an image already needs no room to be told so.
func TestImagesWithoutMemory(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		var memory app.Memory
		ready := apptest.Record[plugins.ImageReady]()
		gate, held := hold("media.create_thumbnails")
		h := apptest.New(t, db, media.Module, ready, held, fx.Invoke(func(m app.Memory) { memory = m }))
		content := asPNG(t, halves(600, 300))
		h.Do(form(t, "/images", "a.png", "image/png", content)).Status(http.StatusCreated)
		etag := h.GET("/images/1/content").Status(http.StatusOK).Head.Get("ETag")

		reserved := exhaust(memory, 64<<10) // enough for the body, not for the pixels
		h.Do(form(t, "/images", "b.png", "image/png", content)).Fails(app.Unavailable, noMemory).Header("Retry-After", "1")
		h.Do(form(t, "/images/fingerprint", "b.png", "image/png", content)).Fails(app.Unavailable, noMemory)
		gate.open()
		memory.Release(reserved)
		h.WaitForEvents() // what the delivery has reserved is given back when it ends
		exhaust(memory, 0)
		h.GET("/images/1/content").Fails(app.Unavailable, noMemory)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/images/1/content", nil)
		require.NoError(t, err)
		request.Header.Set("If-None-Match", etag)
		h.Do(request).Status(http.StatusNotModified)
	})
}

// A download that begins in the middle, or is larger than what is held of it, is what was sent.
func TestGetImageContentInPieces(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := apptest.New(t, db, media.Module)
		content := append(asPNG(t, halves(30, 20)), make([]byte, 2<<20)...) // what follows a PNG's end is kept as it is
		for i := range content[len(content)-2<<20:] {
			content[len(content)-2<<20+i] = byte(i / 1000)
		}
		h.Do(form(t, "/images", "a.png", "image/png", content)).Status(http.StatusCreated)
		require.Equal(t, string(content), h.GET("/images/1/content").Status(http.StatusOK).Body)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/images/1/content", nil)
		require.NoError(t, err)
		request.Header.Set("Range", "bytes=524000-1600000")
		require.Equal(t, string(content[524000:1600001]), h.Do(request).Status(http.StatusPartialContent).Body)
	})
}
