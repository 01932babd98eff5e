package imaging_test

import (
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/domains/media/imaging"
)

func TestThumbnailsOfKnownPixels(t *testing.T) {
	t.Parallel()
	thumbnails, err := imaging.Thumbnails(nil, asPNG(t, colored(1200, 800)))
	require.NoError(t, err)
	require.Len(t, thumbnails, 3)
	for i, want := range []struct {
		size imaging.Size
		at   image.Point
	}{
		{imaging.Small, image.Pt(96, 64)}, {imaging.Medium, image.Pt(256, 171)}, {imaging.Large, image.Pt(512, 341)},
	} {
		thumbnail := thumbnails[i]
		require.Equal(t, want.size, thumbnail.Size)
		require.Equal(t, want.at, image.Pt(thumbnail.Width, thumbnail.Height))
		require.Equal(t, imaging.JPEG, thumbnail.Format)
		requireQuadrants(t, pixels(t, thumbnail), red, green, blue, yellow)
	}
}

func TestThumbnailsOfEveryKind(t *testing.T) {
	t.Parallel()
	for name, content := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info, err := imaging.Inspect(content)
			require.NoError(t, err)
			thumbnails, err := imaging.Thumbnails(nil, content)
			require.NoError(t, err)
			medium := thumbnails[1]
			require.Equal(t, image.Pt(info.Width, info.Height), image.Pt(medium.Width, medium.Height), "not enlarged")
			want := []color.NRGBA{red, green, blue, yellow}
			switch name {
			case "transparent.webp":
				want[3] = nothing
			case "transparent png":
				want = []color.NRGBA{red, nothing, nothing, blue}
			case "turned jpeg", "turned.webp":
				want = []color.NRGBA{blue, red, yellow, green}
			case "turned png":
				want = []color.NRGBA{green, yellow, red, blue}
			}
			requireQuadrants(t, pixels(t, medium), want...)
		})
	}
}

// The orientations are those of the EXIF specification.
func TestThumbnailsAreTurned(t *testing.T) {
	t.Parallel()
	for o, want := range [][]color.NRGBA{
		0: {red, green, blue, yellow},
		1: {red, green, blue, yellow},
		2: {green, red, yellow, blue},
		3: {yellow, blue, green, red},
		4: {blue, yellow, red, green},
		5: {red, blue, green, yellow},
		6: {blue, red, yellow, green},
		7: {yellow, green, blue, red},
		8: {green, yellow, red, blue},
		9: {red, green, blue, yellow},
	} {
		thumbnails, err := imaging.Thumbnails(nil, turnedJPEG(t, colored(300, 200), uint16(o)))
		require.NoError(t, err)
		size := image.Pt(96, 64)
		if o >= 5 && o <= 8 {
			size = image.Pt(64, 96)
		}
		require.Equal(t, size, image.Pt(thumbnails[0].Width, thumbnails[0].Height), o)
		requireQuadrants(t, pixels(t, thumbnails[0]), want...)
	}
}

// A resampler that looks at some of the pixels makes black, white or stripes of a fine checkerboard; a good one, gray.
func TestThumbnailsLookAtEveryPixel(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{X: 1100, Y: 320}, {X: 2049, Y: 600}} {
		board := image.NewGray(image.Rectangle{Max: size})
		for y := range size.Y {
			for x := range size.X {
				board.SetGray(x, y, color.Gray{Y: uint8((x + y) % 2 * 255)})
			}
		}
		thumbnails, err := imaging.Thumbnails(nil, asPNG(t, board))
		require.NoError(t, err)
		for _, thumbnail := range thumbnails {
			img := pixels(t, thumbnail)
			for y := 2; y < thumbnail.Height-2; y++ {
				for x := 2; x < thumbnail.Width-2; x++ {
					gray := color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y
					require.InDelta(t, 128, gray, 12, "%s of %v at %d,%d", thumbnail.Size, size, x, y)
				}
			}
		}
	}
}

// Color that nobody sees, behind full transparency, does not bleed into what is beside it.
func TestThumbnailsKeepTransparency(t *testing.T) {
	t.Parallel()
	invisible := color.NRGBA{R: 255, G: 0, B: 255}
	thumbnails, err := imaging.Thumbnails(nil, asPNG(t, quadrants(1200, 1200, green, invisible, invisible, green)))
	require.NoError(t, err)
	for _, thumbnail := range thumbnails {
		require.Equal(t, imaging.PNG, thumbnail.Format)
		img := pixels(t, thumbnail)
		requireQuadrants(t, img, green, nothing, nothing, green)
		for x := range thumbnail.Width {
			c := color.NRGBAModel.Convert(img.At(x, thumbnail.Height/4)).(color.NRGBA)
			require.True(t, c.A < 16 || c.R < 60, "%s: %v at %d", thumbnail.Size, c, x)
		}
	}
}

func TestThumbnailsOfExtremeShapes(t *testing.T) {
	t.Parallel()
	for size, want := range map[image.Point]image.Point{
		{X: 1, Y: 1}: {X: 1, Y: 1}, {X: 16_384, Y: 1}: {X: 96, Y: 1}, {X: 3, Y: 9000}: {X: 1, Y: 96},
		{X: 97, Y: 96}: {X: 96, Y: 95}, {X: 96, Y: 96}: {X: 96, Y: 96}, {X: 5000, Y: 50}: {X: 96, Y: 1},
	} {
		thumbnails, err := imaging.Thumbnails(nil, asPNG(t, image.NewGray(image.Rectangle{Max: size})))
		require.NoError(t, err)
		require.Equal(t, want, image.Pt(thumbnails[0].Width, thumbnails[0].Height), size)
		pixels(t, thumbnails[0])
	}
}

func TestAbandonedWorkEnds(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	close(done)
	content := asJPEG(t, colored(600, 400))
	_, err := imaging.Thumbnails(done, content)
	require.ErrorIs(t, err, imaging.ErrAbandoned)
	_, _, err = imaging.FingerprintOf(done, content)
	require.ErrorIs(t, err, imaging.ErrAbandoned)
	require.ErrorIs(t, imaging.Check(done, content), imaging.ErrAbandoned)
}

func TestSizes(t *testing.T) {
	t.Parallel()
	last := 0
	for _, size := range imaging.Sizes() {
		require.Greater(t, size.Longest(), last)
		last = size.Longest()
	}
	require.Zero(t, imaging.Size("huge").Longest())
}

// Whatever the bytes are, they are refused with a reason or make thumbnails of the promised sizes.
func FuzzThumbnails(f *testing.F) {
	for _, content := range samples(f) {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		info, err := imaging.Inspect(content)
		if err != nil {
			require.ErrorAs(t, err, new(*imaging.Refusal))
			return
		}
		if info.Width*info.Height > 1<<20 {
			t.Skip("sound, and slow")
		}
		thumbnails, err := imaging.Thumbnails(nil, content)
		if err != nil {
			refused(t, err, imaging.Damaged)
			return
		}
		require.Len(t, thumbnails, len(imaging.Sizes()))
		for _, thumbnail := range thumbnails {
			require.LessOrEqual(t, max(thumbnail.Width, thumbnail.Height), thumbnail.Size.Longest())
			pixels(t, thumbnail)
		}
	})
}
