package plugins_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/media"
	"plugboard/domains/media/imagestore"
	"plugboard/domains/media/imaging"
	"plugboard/domains/media/models"
	"plugboard/domains/media/plugins"
)

func TestCreateThumbnails(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		ready := apptest.Record[plugins.ImageReady]()
		h := apptest.New(t, db, media.Module, ready)
		h.Do(form(t, "/images", "a.png", "image/png", asPNG(t, halves(600, 300)))).Status(http.StatusCreated)
		h.WaitForEvents()

		require.Equal(t, []plugins.ImageReady{{ID: 1}}, ready.Events())
		require.Equal(t, "1", ready.Events()[0].Key())
		for size, want := range map[string]image.Point{"small": {X: 96, Y: 48}, "medium": {X: 256, Y: 128}, "large": {X: 512, Y: 256}} {
			answer := h.GET("/images/1/thumbnail?size=" + size).Status(http.StatusOK)
			img, _, err := image.Decode(bytes.NewReader([]byte(answer.Body)))
			require.NoError(t, err)
			require.Equal(t, want, img.Bounds().Size())
			requireColor(t, red, img.At(want.X/4, want.Y/2))
			requireColor(t, blue, img.At(want.X*3/4, want.Y/2))
		}
	})
}

// requireColor allows for what JPEG costs.
func requireColor(t testing.TB, want color.NRGBA, got color.Color) {
	t.Helper()
	c := color.NRGBAModel.Convert(got).(color.NRGBA)
	require.InDelta(t, want.R, c.R, 6)
	require.InDelta(t, want.G, c.G, 6)
	require.InDelta(t, want.B, c.B, 6)
}

// What no thumbnails can be made of is marked as failed, and its delivery is dead: it is not tried again.
func TestCreateThumbnailsOfDamagedImage(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		dead := apptest.Record[deadUpload]()
		ready := apptest.Record[plugins.ImageReady]()
		events := apptest.Announce(plugins.ImageUploaded{})
		h := apptest.New(t, db, media.Module, dead, ready, events)
		handle, ctx := h.DB(), apptest.Context(t)
		images := imagestore.New(handle)
		require.NoError(t, app.InTx(ctx, handle, func(ctx context.Context) error {
			_, err := images.Add(ctx, imaging.Info{Format: imaging.PNG, Width: 1, Height: 1}, []byte("rotten"))
			return err
		}))
		events.Publish(t, plugins.ImageUploaded{ID: 1})
		h.WaitForEvents()

		require.Empty(t, ready.Events())
		require.Len(t, dead.Events(), 1)
		require.Equal(t, 1, dead.Events()[0].Attempts)
		require.Equal(t, "create thumbnails: image 1 must be PNG, JPEG or WebP", dead.Events()[0].Error)
		data := apptest.Data[plugins.GetImageData](h.GET("/images/1"))
		require.Equal(t, "failed", data.Status)
		require.Equal(t, "must be PNG, JPEG or WebP", data.Failure)
		require.Empty(t, data.Thumbnails)
		h.GET("/images/1/thumbnail").Fails(app.NotFound, "image 1 has no thumbnails: it must be PNG, JPEG or WebP")
	})
}

type deadUpload struct {
	Error    string `json:"error"`
	Attempts int    `json:"attempts"`
}

// Topic implements app.Event.
func (deadUpload) Topic() string { return "_dlq.image.uploaded" }

// The thumbnails, the status, the event and the completion take effect together.
func TestCreateThumbnailsAllOrNothing(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		handle, bus := db.Open(t, media.Module), &apptest.Bus{}
		images := imagestore.New(handle)
		plugin := plugins.NewCreateThumbnailsPlugin(handle, images, bus, straight{})
		ctx := apptest.DeliveryContext(t, app.Delivery{Topic: "image.uploaded"})
		content := asPNG(t, halves(30, 20))
		info, err := imaging.Inspect(content)
		require.NoError(t, err)
		image, err := images.Add(ctx, info, content)
		require.NoError(t, err)

		bus.Fail(errors.New("no bus today"))
		require.EqualError(t, plugin.Execute(ctx, plugins.ImageUploaded{ID: image.ID}), "create thumbnails: no bus today")
		thumbnails, err := images.Thumbnails(ctx, image.ID)
		require.NoError(t, err)
		require.Empty(t, thumbnails)
		image, err = images.Image(ctx, image.ID)
		require.NoError(t, err)
		require.Equal(t, models.Pending, image.Status)

		bus.Fail(nil)
		require.NoError(t, plugin.Execute(ctx, plugins.ImageUploaded{ID: image.ID}))
		require.NoError(t, plugin.Execute(ctx, plugins.ImageUploaded{ID: image.ID}), "a replay does it again")
		thumbnails, err = images.Thumbnails(ctx, image.ID)
		require.NoError(t, err)
		var sizes []string
		for _, thumbnail := range thumbnails {
			require.Empty(t, thumbnail.Content)
			sizes = append(sizes, thumbnail.Size)
		}
		require.Equal(t, []string{"small", "medium", "large"}, sizes)

		require.True(t, app.IsPermanent(plugin.Execute(ctx, plugins.ImageUploaded{ID: 77})), "no such image")
		require.ErrorContains(t, plugin.Execute(apptest.Context(t), plugins.ImageUploaded{ID: image.ID}), "not in a subscriber")
	})
}
