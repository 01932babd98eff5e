// Package imaging makes thumbnails of images that strangers sent.
//
// It checks and decodes them. It is pure: no I/O, no goroutines, and everything is safe for concurrent use.
//
// An image that would cost too much is refused by its header, before a pixel is decoded: a file of some kilobytes can claim
// gigapixels. [Inspect] is cheap; everything else is work for a pool.
//
// Images are PNG, JPEG or WebP; their content tells which. Width and height are as a viewer sees them, after the
// orientation in the image's EXIF data.
package imaging

import "errors"

// The most that an image may cost. Decoding takes up to MaxMemory for each image that is decoded at a time.
const (
	// MaxSide is the longest side, in pixels.
	MaxSide = 16384
	// MaxPixels is the largest area, in pixels.
	MaxPixels = 40_000_000
	// MaxMemory is the most that decoding may allocate, in bytes: a pixel takes from 1 byte (gray) to 20
	// (progressive JPEG in CMYK).
	MaxMemory = 128 << 20
	// MaxScans is the most passes that a progressive JPEG may have. Encoders make about ten; each costs a visit to
	// every block of the image, however few bytes it has.
	MaxScans = 100
)

// ErrAbandoned is the error of work that was given up since nobody waits for it any more.
var ErrAbandoned = errors.New("nobody waits for the image any more")

// Reason classifies a refusal.
type Reason int

// The reasons.
const (
	// Unsupported means that the content is no image of a format known here.
	Unsupported Reason = iota + 1
	// Contradicted means that the content is not what its name or media type says.
	Contradicted
	// TooLarge means that decoding would cost too much.
	TooLarge
	// Damaged means that the content ends early or breaks its format's rules.
	Damaged
)

// String returns a stable name, for programs.
func (r Reason) String() string {
	switch r {
	case Unsupported:
		return "format"
	case Contradicted:
		return "claim"
	case TooLarge:
		return "pixels"
	case Damaged:
		return "damaged"
	default:
		return "unknown"
	}
}

// Refusal says why an image is not accepted. Its text goes on from "the image": "is truncated". It may be shown to
// the sender of the image.
type Refusal struct {
	// Reason is for programs.
	Reason Reason
	// Message is for people.
	Message string
	cause   error
}

// Error implements error. It returns the message; the decoder's own words are behind [Refusal.Unwrap].
func (r *Refusal) Error() string { return r.Message }

// Unwrap returns the decoder's error, or nil.
func (r *Refusal) Unwrap() error { return r.cause }
