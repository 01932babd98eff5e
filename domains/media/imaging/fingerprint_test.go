package imaging_test

import (
	"image"
	"image/color"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/domains/media/imaging"
)

func fingerprint(t testing.TB, content []byte) imaging.Fingerprint {
	t.Helper()
	f, info, err := imaging.FingerprintOf(nil, content)
	require.NoError(t, err)
	require.Positive(t, info.Width)
	return f
}

// shaded is an image whose shade at a place, both from 0 to 1, is a function of it.
func shaded(width, height int, shade func(x, y float64) float64) image.Image {
	img := image.NewGray(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetGray(x, y, color.Gray{Y: uint8(255 * shade(float64(x)/float64(width), float64(y)/float64(height)))})
		}
	}
	return img
}

// A bit is 1 where the image becomes brighter to the right; rows from above, columns from the left.
func TestFingerprintOfKnownPixels(t *testing.T) {
	t.Parallel()
	for want, shade := range map[string]func(x, y float64) float64{
		"ffffffffffffffff": func(x, _ float64) float64 { return x },
		"0000000000000000": func(x, _ float64) float64 { return 1 - x },
		"ffffffff00000000": func(x, y float64) float64 {
			if y < 0.5 {
				return x
			}
			return 1 - x
		},
		"f0f0f0f0f0f0f0f0": func(x, _ float64) float64 { return 1 - 2*max(x-0.5, 0.5-x) },
	} {
		require.Equal(t, want, fingerprint(t, asPNG(t, shaded(450, 320, shade))).String())
	}
	flat := func(_, _ float64) float64 { return 0.5 }
	require.Zero(t, fingerprint(t, asPNG(t, shaded(450, 320, flat))))
}

// waves is an image with something to see everywhere.
func waves(x, y float64) float64 {
	fx, fy := x-0.3, y-0.6
	return min(1, max(0, 0.5+2*fx*fy-3*fx*fx+y*(1-x)*(x-0.2)*9))
}

func TestFingerprintsOfOneImageAreAlike(t *testing.T) {
	t.Parallel()
	original := fingerprint(t, asPNG(t, shaded(450, 300, waves)))
	for name, content := range map[string][]byte{
		"as jpeg":    asJPEG(t, shaded(450, 300, waves)),
		"smaller":    asJPEG(t, shaded(120, 80, waves)),
		"stretched":  asPNG(t, shaded(250, 350, waves)),
		"brighter":   asPNG(t, shaded(450, 300, func(x, y float64) float64 { return 0.1 + 0.8*waves(x, y) })),
		"turned":     turnedJPEG(t, shaded(450, 300, func(x, y float64) float64 { return waves(1-x, 1-y) }), 3),
		"on a side":  turnedJPEG(t, shaded(300, 450, func(x, y float64) float64 { return waves(1-y, x) }), 6),
		"thumbnail":  thumbnailOf(t, asPNG(t, shaded(450, 300, waves))),
		"other side": turnedJPEG(t, shaded(300, 450, func(x, y float64) float64 { return waves(y, 1-x) }), 8),
	} {
		require.LessOrEqual(t, distance(original, fingerprint(t, content)), 8, name)
	}
	for name, content := range map[string][]byte{
		"mirrored": asPNG(t, shaded(450, 300, func(x, y float64) float64 { return waves(1-x, y) })),
		"negative": asPNG(t, shaded(450, 300, func(x, y float64) float64 { return 1 - waves(x, y) })),
		"another":  asPNG(t, shaded(450, 300, func(x, y float64) float64 { return (x - y) * (x - y) })),
	} {
		require.GreaterOrEqual(t, distance(original, fingerprint(t, content)), 16, name)
	}
}

func distance(a, b imaging.Fingerprint) int { return bits.OnesCount64(uint64(a ^ b)) }

func thumbnailOf(t testing.TB, content []byte) []byte {
	t.Helper()
	thumbnails, err := imaging.Thumbnails(nil, content)
	require.NoError(t, err)
	return thumbnails[0].Content
}

// What is transparent is white, whatever color is behind it.
func TestFingerprintLaysTransparencyOnWhite(t *testing.T) {
	t.Parallel()
	black, white, invisible := color.NRGBA{A: 255}, color.NRGBA{R: 255, G: 255, B: 255, A: 255}, color.NRGBA{R: 9}
	require.Equal(t,
		fingerprint(t, asPNG(t, quadrants(90, 64, black, white, white, black))),
		fingerprint(t, asPNG(t, quadrants(90, 64, black, invisible, invisible, black))))
}

func TestFingerprintRefuses(t *testing.T) {
	t.Parallel()
	_, _, err := imaging.FingerprintOf(nil, []byte("hello"))
	refused(t, err, imaging.Unsupported)
	_, _, err = imaging.FingerprintOf(nil, asJPEG(t, colored(60, 40))[:300])
	refused(t, err, imaging.Damaged)
}

func BenchmarkThumbnails(b *testing.B) {
	content := asJPEG(b, shaded(4000, 3000, waves))
	for b.Loop() {
		_, err := imaging.Thumbnails(nil, content)
		require.NoError(b, err)
	}
}

func BenchmarkFingerprint(b *testing.B) {
	content := asJPEG(b, shaded(640, 480, waves))
	for b.Loop() {
		_, _, err := imaging.FingerprintOf(nil, content)
		require.NoError(b, err)
	}
}
