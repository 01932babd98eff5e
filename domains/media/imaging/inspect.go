package imaging

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"
)

// Info has the facts of an image's header.
type Info struct {
	// Format is the format of the content.
	Format Format
	// Width and Height are in pixels, after the orientation.
	Width, Height int
	// Memory is the most bytes that decoding and reducing the image take.
	Memory int64

	orientation orientation
	stored      image.Point // the size before the orientation
}

// structure has the facts of the parts around the pixels that the decoders do not tell.
type structure struct {
	orientation orientation
	animated    bool
	cut         bool
	scans       int
	// spread is the memory of decoding, divided by the memory of the decoded pixels; 0 stands for 1.
	spread float64
}

// Inspect reads content's header. It returns a [Refusal] if content is no image or would cost too much to decode.
// It decodes no pixels and takes microseconds, so an image that it accepts may still be damaged.
func Inspect(content []byte) (Info, error) {
	format, ok := FormatOf(content)
	if !ok {
		return Info{}, &Refusal{Reason: Unsupported, Message: "must be PNG, JPEG or WebP"}
	}
	config, err := decodeConfig(format, content)
	if err != nil {
		return Info{}, damaged(format, err)
	}
	s := readStructure(format, content)
	if s.cut {
		return Info{}, damaged(format, errors.New("it is shorter than its header says"))
	}
	if s.animated {
		return Info{}, &Refusal{Reason: Unsupported, Message: "is animated, which is not supported"}
	}
	memory := cost(config, s)
	if err := checkCost(config, s, memory); err != nil {
		return Info{}, err
	}
	i := Info{Format: format, Width: config.Width, Height: config.Height, Memory: int64(memory) + reducing(config), orientation: s.orientation}
	i.stored = image.Pt(config.Width, config.Height)
	if s.orientation.swaps() {
		i.Width, i.Height = i.Height, i.Width
	}
	return i, nil
}

func decodeConfig(format Format, content []byte) (image.Config, error) {
	r := bytes.NewReader(content)
	switch format {
	case PNG:
		return png.DecodeConfig(r)
	case JPEG:
		return jpeg.DecodeConfig(r)
	default:
		return webp.DecodeConfig(r)
	}
}

func readStructure(format Format, content []byte) structure {
	switch format {
	case PNG:
		return readPNG(content)
	case JPEG:
		return readJPEG(content)
	default:
		return readWebP(content)
	}
}

// cost returns how many bytes decoding takes.
func cost(config image.Config, s structure) float64 {
	memory := float64(config.Width) * float64(config.Height) * float64(bytesPerPixel(config.ColorModel))
	if s.spread != 0 {
		memory *= s.spread
	}
	return memory
}

// reducing returns how many bytes it takes to make a smaller image of the decoded one. The filter keeps four 64-bit numbers for a
// pixel, but 35 MB at most (see resize).
func reducing(config image.Config) int64 {
	return min(35<<20, 32*int64(config.Width)*int64(config.Height))
}

// checkCost refuses an image that would take too much memory or time to decode.
func checkCost(config image.Config, s structure, memory float64) error {
	pixels := config.Width * config.Height
	switch {
	case config.Width < 1 || config.Height < 1:
		return &Refusal{Reason: Damaged, Message: "has no pixels"}
	case config.Width > MaxSide || config.Height > MaxSide:
		return tooLarge("has %d×%d pixels; a side may have %d", config.Width, config.Height, MaxSide)
	case pixels > MaxPixels:
		return tooLarge("has %d×%d pixels; the most are %d megapixels", config.Width, config.Height, MaxPixels/1_000_000)
	case memory > MaxMemory:
		return tooLarge("with its %d×%d pixels would take more than %d MiB to decode", config.Width, config.Height, MaxMemory>>20)
	case s.scans > MaxScans:
		return tooLarge("has %d scans; the most are %d", s.scans, MaxScans)
	default:
		return nil
	}
}

// bytesPerPixel returns the most bytes that the decoders take for a pixel of the model.
func bytesPerPixel(model color.Model) int {
	switch model {
	case color.GrayModel:
		return 1
	case color.Gray16Model:
		return 2
	case color.YCbCrModel:
		return 3
	case color.RGBA64Model, color.NRGBA64Model:
		return 8
	case color.NYCbCrAModel:
		return 8 // WebP's transparency is decoded as an image of its own
	}
	if _, ok := model.(color.Palette); ok {
		return 1
	}
	return 4
}

func tooLarge(format string, args ...any) error {
	return &Refusal{Reason: TooLarge, Message: fmt.Sprintf(format, args...)}
}

func damaged(format Format, cause error) error {
	return &Refusal{Reason: Damaged, Message: fmt.Sprintf("is a truncated or damaged %s", format), cause: cause}
}
