package imaging

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"slices"
)

// Size is the name of a thumbnail's size.
type Size string

// The sizes.
const (
	Small  Size = "small"
	Medium Size = "medium"
	Large  Size = "large"
)

// Sizes returns all sizes, the smallest first.
func Sizes() []Size { return []Size{Small, Medium, Large} }

// Longest returns the longest side of a thumbnail of the size, in pixels; 0 for a size that there is not.
func (s Size) Longest() int {
	switch s {
	case Small:
		return 96
	case Medium:
		return 256
	case Large:
		return 512
	default:
		return 0
	}
}

// quality is that of thumbnails in JPEG, from 1 to 100.
const quality = 85

// Thumbnail is a smaller image.
type Thumbnail struct {
	Size          Size
	Width, Height int
	// Format is PNG for an image that is transparent somewhere, otherwise JPEG.
	Format  Format
	Content []byte
}

// Thumbnails makes thumbnails of content in all [Sizes], the smallest first. A thumbnail has the image's shape and fits
// the size; an image that is smaller is not enlarged. It is turned as the image's orientation says and carries no
// metadata. Thumbnails returns a [Refusal] when [Inspect] refuses the content or it is damaged, and gives up with
// [ErrAbandoned] soon after done is closed; a nil done never is.
func Thumbnails(done <-chan struct{}, content []byte) ([]Thumbnail, error) {
	img, info, err := decode(done, content)
	if err != nil {
		return nil, err
	}
	var thumbnails []Thumbnail
	for _, size := range slices.Backward(Sizes()) {
		// Each is made from the one before, which is at least nearly twice as large, so that the image itself is
		// visited once.
		smaller, err := resizeToFit(done, img, info, size)
		if err != nil {
			return nil, err
		}
		thumbnail, err := encode(size, info.orientation.turn(smaller))
		if err != nil {
			return nil, err
		}
		thumbnails = append(thumbnails, thumbnail)
		img = smaller
	}
	slices.Reverse(thumbnails)
	return thumbnails, nil
}

// resizeToFit returns img, which is info's image or a smaller one of it, at the size. It is as stored, not turned.
func resizeToFit(done <-chan struct{}, img image.Image, info Info, size Size) (*image.RGBA, error) {
	width, height := fit(info.stored.X, info.stored.Y, size.Longest())
	return resize(done, img, width, height)
}

func encode(size Size, img *image.RGBA) (Thumbnail, error) {
	var content bytes.Buffer
	t := Thumbnail{Size: size, Width: img.Bounds().Dx(), Height: img.Bounds().Dy(), Format: PNG}
	var err error
	if img.Opaque() {
		t.Format = JPEG
		err = jpeg.Encode(&content, img, &jpeg.Options{Quality: quality})
	} else {
		err = png.Encode(&content, img)
	}
	if err != nil {
		return t, fmt.Errorf("encode %s thumbnail: %w", size, err)
	}
	t.Content = content.Bytes()
	return t, nil
}
