package plugins_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/media"
	"plugboard/domains/media/plugins"
)

func TestGetImage(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		pool, part := hold("media.create_thumbnails")
		noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
		h := apptest.New(t, db, media.Module, part, apptest.NewClock(noon))
		content := asPNG(t, halves(600, 300))
		h.Do(form(t, "/images", "a.png", "image/png", content)).Status(http.StatusCreated)

		h.GET("/images/1").Status(http.StatusOK).JSON(fmt.Sprintf(`{"success":true,"data":{"id":1,"type":"image/png","width":600,"height":300,`+
			`"bytes":%d,"status":"pending","failure":"","thumbnails":[],"created_at":"2026-01-31T12:00:00Z"},"error":null}`, len(content)))
		pool.open()
		h.WaitForEvents()
		data := apptest.Data[plugins.GetImageData](h.GET("/images/1").Status(http.StatusOK))
		require.Equal(t, "ready", data.Status)
		for i := range data.Thumbnails {
			require.Positive(t, data.Thumbnails[i].Bytes)
			data.Thumbnails[i].Bytes = 0
		}
		require.Equal(t, []plugins.GetImageThumbnail{
			{Size: "small", Type: "image/jpeg", Width: 96, Height: 48},
			{Size: "medium", Type: "image/jpeg", Width: 256, Height: 128},
			{Size: "large", Type: "image/jpeg", Width: 512, Height: 256},
		}, data.Thumbnails)

		h.GET("/images/2").Fails(app.NotFound, "image 2 does not exist")
		h.GET("/images/0").Fails(app.Invalid, "id must be at least 1")
	})
}
