package plugins_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/media"
)

func TestGetThumbnail(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		pool, part := hold("media.create_thumbnails")
		h := apptest.New(t, db, media.Module, part)
		h.Do(form(t, "/images", "a.png", "image/png", asPNG(t, halves(600, 300)))).Status(http.StatusCreated)

		h.GET("/images/1/thumbnail").Status(http.StatusAccepted).Header("Retry-After", "1").Header("Content-Type", "application/json").
			JSON(`{"success":true,"data":{},"error":null}`)
		pool.open()
		h.WaitForEvents()

		medium := h.GET("/images/1/thumbnail").Status(http.StatusOK).
			Header("Content-Type", "image/jpeg").Header("Cache-Control", "public, max-age=3600")
		etag := medium.Head.Get("ETag")
		require.NotEmpty(t, etag)
		require.Equal(t, medium.Body, h.GET("/images/1/thumbnail?size=medium").Body)
		require.NotEqual(t, etag, h.GET("/images/1/thumbnail?size=large").Status(http.StatusOK).Head.Get("ETag"))

		again := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/images/1/thumbnail", nil)
		again.Header.Set("If-None-Match", etag)
		require.Empty(t, h.Do(again).Status(http.StatusNotModified).Body)

		h.GET("/images/2/thumbnail").Fails(app.NotFound, "image 2 does not exist")
		h.GET("/images/1/thumbnail?size=huge").Fails(app.Invalid, "size must be one of small, medium, large")
	})
}
