package plugins_test

import (
	"bytes"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/media"
	"plugboard/domains/media/imagestore"
	"plugboard/domains/media/models"
	"plugboard/domains/media/plugins"
)

func TestUploadImage(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		uploaded := apptest.Record[plugins.ImageUploaded]()
		h := apptest.New(t, db, media.Module, uploaded)
		content := asJPEG(t, halves(300, 200))

		h.Do(form(t, "/images", "cat.jpg", "image/jpeg", content)).Status(http.StatusCreated).Header("Location", "/images/1")
		second := h.Do(form(t, "/images", "cat", "", content)).Status(http.StatusCreated).Header("Location", "/images/2")
		require.Equal(t, plugins.UploadImageData{
			ID: 2, Type: "image/jpeg", Width: 300, Height: 200, Bytes: len(content), Status: "pending",
		}, apptest.Data[plugins.UploadImageData](second))

		h.WaitForEvents()
		require.Equal(t, []plugins.ImageUploaded{
			{ID: 1, Type: "image/jpeg", Width: 300, Height: 200}, {ID: 2, Type: "image/jpeg", Width: 300, Height: 200},
		}, uploaded.Events())
		require.Equal(t, "1", uploaded.Events()[0].Key())
	})
}

func TestUploadImageRefuses(t *testing.T) {
	t.Parallel()
	h := apptest.New(t, media.Module)
	jpeg, png := asJPEG(t, halves(300, 200)), asPNG(t, halves(300, 200))

	damaged := bytes.Clone(png)
	damaged[len(damaged)/2] ^= 0xff
	for name, c := range map[string]struct {
		request *http.Request
		code    app.Code
		message string
	}{
		"a wrong extension":  {form(t, "/images", "cat.png", "image/jpeg", jpeg), app.Invalid, "image has a name that ends in .png, but its content is JPEG"},
		"a wrong media type": {form(t, "/images", "cat.png", "image/webp", png), app.Invalid, "image is sent as image/webp, but its content is PNG"},
		"a program":          {form(t, "/images", "cat.png", "image/png", []byte("MZ\x90")), app.UnsupportedType, "image must be PNG, JPEG or WebP"},
		"another format":     {form(t, "/images", "cat.gif", "image/gif", []byte("GIF89a")), app.UnsupportedType, "image must be PNG, JPEG or WebP"},
		"a truncated JPEG":   {form(t, "/images", "cat.jpg", "image/jpeg", jpeg[:len(jpeg)-9]), app.Invalid, "image is a truncated or damaged JPEG"},
		"a truncated PNG":    {form(t, "/images", "cat.png", "image/png", png[:len(png)-9]), app.Invalid, "image is a truncated or damaged PNG"},
		"a damaged PNG":      {form(t, "/images", "cat.png", "image/png", damaged), app.Invalid, "image is a truncated or damaged PNG"},
		"a bomb":             {form(t, "/images", "cat.png", "image/png", bomb()), app.Invalid, "image has 100000×100000 pixels; a side may have 16384"},
		"an empty file":      {form(t, "/images", "cat.png", "image/png", nil), app.UnsupportedType, "image must be PNG, JPEG or WebP"},
		"more than 8 MiB":    {form(t, "/images", "cat.png", "image/png", append(png, make([]byte, 8<<20)...)), app.TooLarge, "the image is larger than 8388608 bytes"},
		"far more":           {form(t, "/images", "cat.png", "image/png", make([]byte, 9<<20)), app.TooLarge, "the body is larger than 8454144 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h.Do(c.request).Fails(c.code, c.message)
		})
	}
	h.POST("/images", `{}`).Status(http.StatusUnsupportedMediaType)
	h.POST("/images", nil).Fails(app.Invalid, "image is required")
}

func TestUploadImageStoresNothingWithoutItsEvent(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		bus, handle := &apptest.Bus{}, db.Open(t, media.Module)
		plugin := plugins.NewUploadImagePlugin(handle, imagestore.New(handle), bus, straight{})
		ctx := apptest.Context(t)
		request := plugins.UploadImageRequest{Image: &app.File{Content: asPNG(t, halves(30, 20))}}

		bus.Fail(errors.New("no bus today"))
		_, err := plugin.Execute(ctx, request)
		require.EqualError(t, err, "upload image: no bus today")
		for _, table := range []any{&models.Image{}, &models.ImageContent{}} {
			var count int64
			require.NoError(t, handle.WithContext(ctx).Model(table).Count(&count).Error)
			require.Zero(t, count)
		}

		bus.Fail(nil)
		data, err := plugin.Execute(ctx, request)
		require.NoError(t, err)
		require.Equal(t, []plugins.ImageUploaded{{ID: data.ID, Type: "image/png", Width: 30, Height: 20}},
			apptest.Published[plugins.ImageUploaded](t, bus))
	})
}
