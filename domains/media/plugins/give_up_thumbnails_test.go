package plugins_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/media"
	"plugboard/domains/media/plugins"
)

// broken is a pool whose jobs fail for good until it is mended.
type broken struct {
	app.Pool
	plugin string
	mended bool
}

// Run implements app.Pool.
func (p *broken) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {
	if !p.mended && app.PluginName(ctx) == p.plugin {
		return nil, app.Permanent(errors.New("out of order"))
	}
	return p.Pool.Run(ctx, work)
}

// An image whose thumbnails are not tried any more is not pending for ever; a replay makes it ready.
func TestGiveUpThumbnails(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		pool := &broken{plugin: "media.create_thumbnails"}
		h := apptest.New(t, db, media.Module, fx.Decorate(func(p app.Pool) app.Pool {
			pool.Pool = p
			return pool
		}))
		h.Do(form(t, "/images", "a.png", "image/png", asPNG(t, halves(60, 30)))).Status(http.StatusCreated)
		h.WaitForEvents()
		data := apptest.Data[plugins.GetImageData](h.GET("/images/1"))
		require.Equal(t, "failed", data.Status)
		require.Equal(t, "could not be worked on; it may be tried again later", data.Failure)
		h.GET("/images/1/thumbnail").Fails(app.NotFound, "image 1 has no thumbnails: it could not be worked on; it may be tried again later")

		pool.mended = true
		require.Equal(t, 1, h.Replay("media.create_thumbnails/image.uploaded"))
		h.WaitForEvents()
		require.Equal(t, "ready", apptest.Data[plugins.GetImageData](h.GET("/images/1")).Status)
	})
}

func TestGiveUpThumbnailsOfOthers(t *testing.T) {
	t.Parallel()
	plugin := plugins.NewGiveUpThumbnailsPlugin(nil)
	require.NoError(t, plugin.Execute(t.Context(), plugins.DeadUpload{Key: "1", Subscription: "somebody/image.uploaded"}))
	err := plugin.Execute(t.Context(), plugins.DeadUpload{Key: "one", Subscription: "media.create_thumbnails/image.uploaded"})
	require.ErrorContains(t, err, "read the image's id")
}
