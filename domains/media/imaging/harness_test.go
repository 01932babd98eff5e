package imaging_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/domains/media/imaging"
)

// The colors of the quadrants, and nothing.
var (
	red, green   = color.NRGBA{R: 220, G: 30, B: 30, A: 255}, color.NRGBA{R: 30, G: 200, B: 40, A: 255}
	blue, yellow = color.NRGBA{R: 30, G: 40, B: 210, A: 255}, color.NRGBA{R: 240, G: 220, B: 30, A: 255}
	nothing      = color.NRGBA{}
)

// quadrants is an image whose quarters have the colors: top left, top right, bottom left, bottom right.
func quadrants(width, height int, colors ...color.NRGBA) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetNRGBA(x, y, colors[2*(2*y/height)+2*x/width])
		}
	}
	return img
}

// colored is the image most tests use.
func colored(width, height int) *image.NRGBA {
	return quadrants(width, height, red, green, blue, yellow)
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
	require.NoError(t, jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}))
	return b.Bytes()
}

// fixture reads a file of testdata. Each was made of colored(60, 40) by cwebp, img2webp, webpmux or cjpeg: what the
// standard library does not write.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return content
}

// exif is EXIF data that says the orientation.
func exif(orientation uint16) []byte {
	data := []byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00")
	binary.BigEndian.PutUint16(data[18:], orientation)
	return data
}

// turnedJPEG is a JPEG that says the orientation.
func turnedJPEG(t testing.TB, img image.Image, orientation uint16) []byte {
	t.Helper()
	content := asJPEG(t, img)
	data := append([]byte("Exif\x00\x00"), exif(orientation)...)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(2+len(data)))
	return bytes.Join([][]byte{content[:2], segment, data, content[2:]}, nil)
}

// chunk is a chunk of a PNG.
func chunk(kind string, data []byte) []byte {
	c := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	c = append(append(c, kind...), data...)
	return binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE(c[4:]))
}

// afterHeader puts a chunk behind the header of a PNG.
func afterHeader(content, chunk []byte) []byte {
	const header = 8 + 25
	return bytes.Join([][]byte{content[:header], chunk, content[header:]}, nil)
}

// pngOf is a PNG of a header and no pixels.
func pngOf(width, height uint32, depth, colorType, interlaced byte) []byte {
	header := binary.BigEndian.AppendUint32(nil, width)
	header = binary.BigEndian.AppendUint32(header, height)
	header = append(header, depth, colorType, 0, 0, interlaced)
	return bytes.Join([][]byte{[]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", header), chunk("IDAT", nil), chunk("IEND", nil)}, nil)
}

// sized returns a JPEG whose frame header says another size.
func sized(t testing.TB, content []byte, width, height uint16) []byte {
	t.Helper()
	content = bytes.Clone(content)
	for _, marker := range []string{"\xff\xc0\x00\x11\x08", "\xff\xc2\x00\x11\x08"} {
		if i := bytes.Index(content, []byte(marker)); i > 0 {
			binary.BigEndian.PutUint16(content[i+5:], height)
			binary.BigEndian.PutUint16(content[i+7:], width)
			return content
		}
	}
	t.Fatal("no frame header")
	return nil
}

// refused requires err to be a refusal for the reason, and returns its text.
func refused(t testing.TB, err error, reason imaging.Reason) string {
	t.Helper()
	var refusal *imaging.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, reason, refusal.Reason, "%v: %v", err, refusal.Unwrap())
	return err.Error()
}

// pixels decodes a thumbnail.
func pixels(t testing.TB, thumbnail imaging.Thumbnail) image.Image {
	t.Helper()
	img, format, err := image.Decode(bytes.NewReader(thumbnail.Content))
	require.NoError(t, err)
	require.Equal(t, thumbnail.Format, imaging.Format("image/"+format))
	require.Equal(t, image.Pt(thumbnail.Width, thumbnail.Height), img.Bounds().Size())
	return img
}

// requireQuadrants requires the middle of each quarter to have its color, within what JPEG costs.
func requireQuadrants(t testing.TB, img image.Image, colors ...color.NRGBA) {
	t.Helper()
	for i, want := range colors {
		size := img.Bounds().Size()
		got := color.NRGBAModel.Convert(img.At(size.X/4+i%2*size.X/2, size.Y/4+i/2*size.Y/2)).(color.NRGBA)
		for _, pair := range [][2]uint8{{want.R, got.R}, {want.G, got.G}, {want.B, got.B}, {want.A, got.A}} {
			require.InDelta(t, pair[0], pair[1], 8, "quarter %d is %v, want %v", i, got, want)
		}
	}
}
