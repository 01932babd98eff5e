package plugins_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/media"
)

func TestGetImageContent(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := apptest.New(t, db, media.Module)
		content := asJPEG(t, halves(300, 200))
		h.Do(form(t, "/images", "cat.jpg", "image/jpeg", content)).Status(http.StatusCreated)

		answer := h.GET("/images/1/content").Status(http.StatusOK).Header("Content-Type", "image/jpeg").
			Header("Cache-Control", "public, max-age=31536000, immutable").Header("X-Content-Type-Options", "nosniff")
		require.Equal(t, string(content), answer.Body)
		require.NotEmpty(t, answer.Head.Get("ETag"))
		h.GET("/images/2/content").Fails(app.NotFound, "image 2 does not exist")
	})
}
