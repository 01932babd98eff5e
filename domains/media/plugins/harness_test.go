package plugins_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
)

// form is a POST of a form with one file, as a browser sends it. An empty media type is not sent.
func form(t testing.TB, path, fileName, mediaType string, content []byte) *http.Request {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	head := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="image"; filename=%q`, fileName)}}
	if mediaType != "" {
		head.Set("Content-Type", mediaType)
	}
	part, err := w.CreatePart(head)
	require.NoError(t, err)
	_, err = part.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	return r
}

var (
	red  = color.NRGBA{R: 200, G: 10, B: 10, A: 255}
	blue = color.NRGBA{R: 10, G: 10, B: 200, A: 255}
)

// halves is an image that is red on the left and blue on the right.
func halves(width, height int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetNRGBA(x, y, red)
			if 2*x >= width {
				img.SetNRGBA(x, y, blue)
			}
		}
	}
	return img
}

func asPNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}

func asJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, img, nil))
	return b.Bytes()
}

// bomb is a small PNG that claims 10 gigapixels.
func bomb() []byte {
	return []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x86\xa0\x00\x01\x86\xa0\x08\x02\x00\x00\x00\x27\x30\x9c\x9f" +
		"\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e\x00\x00\x00\x00IEND\xae\x42\x60\x82")
}

// gate is a pool that lets the jobs of a plugin wait until it is opened.
type gate struct {
	app.Pool
	plugin string
	opened chan struct{}
}

// hold returns a gate and the part that puts it in front of the pool.
func hold(plugin string) (*gate, fx.Option) {
	g := &gate{plugin: plugin, opened: make(chan struct{})}
	return g, fx.Decorate(func(pool app.Pool) app.Pool {
		g.Pool = pool
		return g
	})
}

// Run implements app.Pool.
func (g *gate) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {
	if app.PluginName(ctx) == g.plugin {
		select {
		case <-g.opened:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return g.Pool.Run(ctx, work)
}

func (g *gate) open() { close(g.opened) }

// straight is a pool for plugins made by hand: it runs work where it is called.
type straight struct{}

// Run implements app.Pool.
func (straight) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {
	return work(idleJob{ctx.Done()})
}

type idleJob struct{ done <-chan struct{} }

func (j idleJob) Done() <-chan struct{} { return j.done }
func (idleJob) SetStatus(int)           {}
func (idleJob) Logger() *zap.Logger     { return zap.NewNop() }
func (idleJob) Reserve(int64) error     { return nil }
