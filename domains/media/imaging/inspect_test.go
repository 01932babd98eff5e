package imaging_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/domains/media/imaging"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content       []byte
		format        imaging.Format
		width, height int
	}{
		"png":              {asPNG(t, colored(60, 40)), imaging.PNG, 60, 40},
		"jpeg":             {asJPEG(t, colored(60, 40)), imaging.JPEG, 60, 40},
		"progressive jpeg": {fixture(t, "progressive.jpg"), imaging.JPEG, 60, 40},
		"subsampled jpeg":  {fixture(t, "subsampled.jpg"), imaging.JPEG, 60, 40},
		"lossy webp":       {fixture(t, "lossy.webp"), imaging.WebP, 60, 40},
		"lossless webp":    {fixture(t, "lossless.webp"), imaging.WebP, 60, 40},
		"transparent webp": {fixture(t, "transparent.webp"), imaging.WebP, 60, 40},
		"turned jpeg":      {turnedJPEG(t, colored(60, 40), 6), imaging.JPEG, 40, 60},
		"turned webp":      {fixture(t, "turned.webp"), imaging.WebP, 40, 60},
		"turned png":       {afterHeader(asPNG(t, colored(60, 40)), chunk("eXIf", exif(8))), imaging.PNG, 40, 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info, err := imaging.Inspect(c.content)
			require.NoError(t, err)
			require.Equal(t, c.format, info.Format)
			require.Equal(t, image.Pt(c.width, c.height), image.Pt(info.Width, info.Height))
			require.NoError(t, imaging.Check(nil, c.content))
		})
	}
}

func TestInspectRefusesWhatIsNoImage(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "\xff", "GIF89a", "<svg/>", "RIFF\x00\x00\x00\x00WAVE", "\x89PNG\r\n\x1a"} {
		_, err := imaging.Inspect([]byte(content))
		require.Equal(t, "must be PNG, JPEG or WebP", refused(t, err, imaging.Unsupported))
	}
	_, err := imaging.Inspect(fixture(t, "animated.webp"))
	require.Equal(t, "is animated, which is not supported", refused(t, err, imaging.Unsupported))
}

// Whatever is missing at its end, an image that is not whole is refused.
func TestTruncatedImagesAreRefused(t *testing.T) {
	t.Parallel()
	for name, content := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := range len(content) {
				err := imaging.Check(nil, content[:n])
				require.Error(t, err, "%d of %d bytes", n, len(content))
				if n >= 12 {
					refused(t, err, imaging.Damaged)
				}
			}
		})
	}
}

// samples are whole images of all kinds.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"png": asPNG(t, colored(60, 40)), "jpeg": asJPEG(t, colored(60, 40)),
		"transparent png": asPNG(t, quadrants(60, 40, red, nothing, nothing, blue)),
		"turned jpeg":     turnedJPEG(t, colored(60, 40), 6),
		"turned png":      afterHeader(asPNG(t, colored(60, 40)), chunk("eXIf", exif(8))),
	}
	files, err := os.ReadDir("testdata")
	require.NoError(t, err)
	for _, file := range files {
		if file.Type().IsRegular() && file.Name() != "animated.webp" {
			all[file.Name()] = fixture(t, file.Name())
		}
	}
	return all
}

// A damaged image's refusal is plain; what the decoder said is for the log.
func TestDamagedImagesAreRefused(t *testing.T) {
	t.Parallel()
	content := asPNG(t, colored(60, 40))
	content[len(content)-20] ^= 0xff
	err := imaging.Check(nil, content)
	require.Equal(t, "is a truncated or damaged PNG", refused(t, err, imaging.Damaged))
	require.ErrorContains(t, err.(*imaging.Refusal).Unwrap(), "png: ") //nolint:errorlint // it is one
}

// A bomb is a small file that claims, or is, an image that would take all memory or time. It is refused by its header.
func TestBombsAreRefused(t *testing.T) {
	t.Parallel()
	lossless := fixture(t, "lossless.webp")
	binary.LittleEndian.PutUint32(lossless[21:], 16383|16383<<14)
	canvas := fixture(t, "transparent.webp")
	copy(canvas[24:], "\xff\x7f\x00\xff\x7f\x00")
	for name, c := range map[string]struct {
		content []byte
		message string
	}{
		"png too wide":           {pngOf(100_000, 1, 8, 2, 0), "has 100000×1 pixels; a side may have 16384"},
		"png too high":           {pngOf(1, 16_385, 8, 2, 0), "has 1×16385 pixels; a side may have 16384"},
		"png too large":          {pngOf(16_384, 16_384, 1, 0, 0), "has 16384×16384 pixels; the most are 40 megapixels"},
		"png with deep colors":   {pngOf(5000, 5000, 16, 6, 0), "with its 5000×5000 pixels would take more than 128 MiB to decode"},
		"png interlaced":         {pngOf(5000, 5000, 8, 6, 1), "with its 5000×5000 pixels would take more than 128 MiB to decode"},
		"jpeg too large":         {sized(t, asJPEG(t, colored(8, 8)), 16_000, 16_000), "has 16000×16000 pixels; the most are 40 megapixels"},
		"jpeg progressive":       {sized(t, fixture(t, "progressive.jpg"), 5000, 5000), "with its 5000×5000 pixels would take more than 128 MiB to decode"},
		"jpeg with scans":        {scanned(t, 200), "has 210 scans; the most are 100"},
		"webp lossless":          {lossless, "has 16384×16384 pixels; the most are 40 megapixels"},
		"webp with a big canvas": {canvas, "has 32768×32768 pixels; a side may have 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := imaging.Inspect(c.content)
			require.Equal(t, c.message, refused(t, err, imaging.TooLarge))
			require.Equal(t, err, imaging.Check(nil, c.content))
			_, err = imaging.Thumbnails(nil, c.content)
			require.Error(t, err)
			_, _, err = imaging.FingerprintOf(nil, c.content)
			require.Error(t, err)
		})
	}
	for name, content := range map[string][]byte{
		"gray":        pngOf(8000, 5000, 8, 0, 0),
		"true color":  pngOf(5500, 5500, 8, 2, 0),
		"photo":       sized(t, fixture(t, "subsampled.jpg"), 8000, 5000),
		"progressive": sized(t, fixture(t, "progressive.jpg"), 3000, 2900),
	} {
		_, err := imaging.Inspect(content)
		require.NoError(t, err, name)
	}
}

// scanned is a progressive JPEG with its last scan repeated.
func scanned(t testing.TB, times int) []byte {
	t.Helper()
	content := fixture(t, "progressive.jpg")
	last := bytes.LastIndex(content, []byte("\xff\xda"))
	scan := content[last : len(content)-2]
	return append(append(bytes.Clone(content[:last]), bytes.Repeat(scan, times)...), content[last:]...)
}

// The container of a WebP says one size, the picture inside another: the smaller claim does not let the larger one in.
func TestLyingHeadersAreRefused(t *testing.T) {
	t.Parallel()
	canvas := fixture(t, "transparent.webp")
	copy(canvas[24:], "\x0f\x00\x00\x0f\x00\x00")
	_, err := imaging.Inspect(canvas)
	require.NoError(t, err, "the header alone is sound")
	refused(t, imaging.Check(nil, canvas), imaging.Damaged)

	tall := asPNG(t, colored(8, 8))
	copy(tall[8:], chunk("IHDR", append(append([]byte{}, tall[16:20]...), append([]byte{0, 0, 0, 9}, tall[24:29]...)...)))
	refused(t, imaging.Check(nil, tall), imaging.Damaged)
	_, err = png.Decode(bytes.NewReader(tall))
	require.NotErrorAs(t, err, new(png.UnsupportedError), "the planted header is well-formed")
}

func TestCheckClaims(t *testing.T) {
	t.Parallel()
	for _, fine := range []struct {
		format    imaging.Format
		name, typ string
	}{
		{imaging.PNG, "a.png", "image/png"}, {imaging.PNG, "A.PNG", ""}, {imaging.PNG, "", "application/octet-stream"},
		{imaging.JPEG, "a.jpg", "image/jpeg"}, {imaging.JPEG, "my.cat.jpeg", "image/jpg"}, {imaging.JPEG, "cat", "image/jpeg; q=1"},
		{imaging.WebP, "a.webp", "image/webp"},
	} {
		require.NoError(t, fine.format.CheckClaims(fine.name, fine.typ), fine)
	}
	for message, lie := range map[string]struct {
		format    imaging.Format
		name, typ string
	}{
		"has a name that ends in .png, but its content is JPEG": {imaging.JPEG, "a.png", "image/jpeg"},
		"has a name that ends in .exe, but its content is PNG":  {imaging.PNG, "a.png.exe", ""},
		"is sent as image/gif, but its content is WebP":         {imaging.WebP, "a.webp", "image/gif"},
		"has a malformed Content-Type":                          {imaging.PNG, "a", "image;;"},
	} {
		require.Equal(t, message, refused(t, lie.format.CheckClaims(lie.name, lie.typ), imaging.Contradicted))
	}
}
