package plugins_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/media"
	"plugboard/domains/media/plugins"
)

func TestFingerprintImage(t *testing.T) {
	t.Parallel()
	h := apptest.New(t, media.Module)
	png := h.Do(form(t, "/images/fingerprint", "a.png", "image/png", asPNG(t, halves(300, 200)))).Status(http.StatusOK)
	data := apptest.Data[plugins.FingerprintImageData](png)
	require.Len(t, data.Fingerprint, 16)
	require.Equal(t, plugins.FingerprintImageData{Fingerprint: data.Fingerprint, Type: "image/png", Width: 300, Height: 200}, data)

	jpeg := h.Do(form(t, "/images/fingerprint", "b.jpg", "image/jpeg", asJPEG(t, halves(300, 200)))).Status(http.StatusOK)
	require.Equal(t, "image/jpeg", apptest.Data[plugins.FingerprintImageData](jpeg).Type)

	for message, request := range map[string]*http.Request{
		"image is a truncated or damaged PNG":                        form(t, "/images/fingerprint", "a.png", "", asPNG(t, halves(300, 200))[:90]),
		"image has 100000×100000 pixels; a side may have 16384":      form(t, "/images/fingerprint", "a.png", "", bomb()),
		"image has a name that ends in .jpg, but its content is PNG": form(t, "/images/fingerprint", "a.jpg", "", asPNG(t, halves(3, 2))),
	} {
		h.Do(request).Fails(app.Invalid, message)
	}
	h.Do(form(t, "/images/fingerprint", "a.svg", "", []byte("<svg/>"))).Fails(app.UnsupportedType, "image must be PNG, JPEG or WebP")
}

// fullPool has no place for another job.
type fullPool struct{}

// Run implements app.Pool.
func (fullPool) Run(context.Context, func(app.Job) (any, error)) (any, error) {
	err := app.Errorf(app.Unavailable, "too much work is waiting")
	err.RetryAfter = 7 * time.Second
	return nil, err
}

// It runs on the pool, and when that is full, the client hears so at once, with when to try again.
func TestFingerprintImageWhenThePoolIsFull(t *testing.T) {
	t.Parallel()
	h := apptest.New(t, media.Module, fx.Decorate(func(app.Pool) app.Pool { return fullPool{} }))
	content := asPNG(t, halves(30, 20))
	for _, path := range []string{"/images/fingerprint", "/images"} {
		h.Do(form(t, path, "a.png", "image/png", content)).Fails(app.Unavailable, "too much work is waiting").Header("Retry-After", "7")
	}
}
