package imaging

import (
	"fmt"
	"image"
	"image/color"
	stddraw "image/draw"
)

// Fingerprint describes the look of an image in 64 bits. The fingerprints of images that look alike differ in few bits, whatever
// their format and size. Equal fingerprints are no proof that the images are the same.
//
// The algorithm is dHash, from Neal Krawetz, "Kind of Like That" (The Hacker Factor Blog, 2013): the image is reduced to
// 9 by 8 shades of gray, and each bit says whether a pixel is darker than its right neighbour; row by row, the
// first pixel in the highest bit. Transparency is laid on white, and the orientation is applied before.
type Fingerprint uint64

// String returns the fingerprint as 16 hexadecimal digits.
func (f Fingerprint) String() string { return fmt.Sprintf("%016x", uint64(f)) }

const (
	hashColumns = 8
	hashRows    = 8
	// hashDetail is by how much the image that is turned is larger than the one that is hashed.
	hashDetail = 4
)

// FingerprintOf returns content's fingerprint. It returns a [Refusal] when [Inspect] refuses the content or it is
// damaged, and gives up with [ErrAbandoned] soon after done is closed; a nil done never is.
func FingerprintOf(done <-chan struct{}, content []byte) (Fingerprint, Info, error) {
	img, info, err := decode(done, content)
	if err != nil {
		return 0, info, err
	}
	width, height := hashDetail*(hashColumns+1), hashDetail*hashRows
	if info.orientation.swaps() {
		width, height = height, width
	}
	stored, err := resize(done, img, width, height)
	if err != nil {
		return 0, info, err
	}
	small, err := resize(done, onWhite(info.orientation.turn(stored)), hashColumns+1, hashRows)
	if err != nil {
		return 0, info, err
	}
	return hash(small), info, nil
}

// onWhite returns img laid on white.
func onWhite(img *image.RGBA) *image.RGBA {
	white := image.NewRGBA(img.Bounds())
	stddraw.Draw(white, white.Bounds(), image.White, image.Point{}, stddraw.Src)
	stddraw.Draw(white, white.Bounds(), img, img.Bounds().Min, stddraw.Over)
	return white
}

// hash compares the shades of neighbours in img, of hashColumns + 1 by hashRows pixels.
func hash(img *image.RGBA) Fingerprint {
	var bits Fingerprint
	for y := range hashRows {
		for x := range hashColumns {
			bits <<= 1
			if shade(img, x, y) < shade(img, x+1, y) {
				bits |= 1
			}
		}
	}
	return bits
}

func shade(img *image.RGBA, x, y int) uint8 {
	return color.GrayModel.Convert(img.RGBAAt(x, y)).(color.Gray).Y //nolint:forcetypeassert // what the model converts to
}
