package imaging

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

// Check decodes all of content, and returns a [Refusal] when [Inspect] refuses it or it is damaged. It gives up with
// [ErrAbandoned] soon after done is closed; a nil done never is.
func Check(done <-chan struct{}, content []byte) error {
	_, _, err := decode(done, content)
	return err
}

// decode decodes content after Inspect has accepted it. The image is as stored, not turned.
func decode(done <-chan struct{}, content []byte) (image.Image, Info, error) {
	info, err := Inspect(content)
	if err != nil {
		return nil, info, err
	}
	img, err := decodePixels(info.Format, &reader{content: *bytes.NewReader(content), done: done})
	switch {
	case errors.Is(err, ErrAbandoned):
		return nil, info, err
	case err != nil:
		return nil, info, damaged(info.Format, err)
	case img.Bounds().Size() != info.stored:
		return nil, info, damaged(info.Format, errors.New("the pixels are not as many as the header says"))
	default:
		return img, info, nil
	}
}

func decodePixels(format Format, r io.Reader) (image.Image, error) {
	switch format {
	case PNG:
		return png.Decode(r)
	case JPEG:
		return jpeg.Decode(r)
	default:
		img, err := webp.Decode(r)
		widenRange(img)
		return img, err
	}
}

// widenRange mends the colors of a lossy WebP, in place. Its format, VP8, has luma from 16 to 235 and chroma from 16 to
// 240 (ITU-R BT.601, as RFC 6386 says), which the decoder hands on as an image whose values are understood as 0 to 255:
// black would be a dark gray.
func widenRange(img image.Image) {
	var planes *image.YCbCr
	switch img := img.(type) {
	case *image.YCbCr:
		planes = img
	case *image.NYCbCrA:
		planes = &img.YCbCr
	default:
		return
	}
	var luma, chroma [256]byte
	for i := range 256 {
		luma[i] = uint8(min(max((i-16)*255/219, 0), 255))
		chroma[i] = uint8(min(max(128+(i-128)*255/224, 0), 255))
	}
	for i, y := range planes.Y {
		planes.Y[i] = luma[y]
	}
	for i := range planes.Cb {
		planes.Cb[i], planes.Cr[i] = chroma[planes.Cb[i]], chroma[planes.Cr[i]]
	}
}

// reader reads content until nobody waits for the image any more. The decoders cannot be told to stop, but they ask for more
// content every few kilobytes.
type reader struct {
	content bytes.Reader
	done    <-chan struct{}
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if abandoned(r.done) {
		return 0, ErrAbandoned
	}
	return r.content.Read(p)
}

func abandoned(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
