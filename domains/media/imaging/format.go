package imaging

import (
	"bytes"
	"fmt"
	"mime"
	"path"
	"slices"
	"strings"
)

// Format is an image format, named by its media type.
type Format string

// The formats.
const (
	PNG  Format = "image/png"
	JPEG Format = "image/jpeg"
	WebP Format = "image/webp"
)

// String returns the format's name as people write it.
func (f Format) String() string {
	switch f {
	case PNG:
		return "PNG"
	case JPEG:
		return "JPEG"
	case WebP:
		return "WebP"
	default:
		return string(f)
	}
}

// FormatOf tells the format by the content's first bytes. It reports false when that is none of ours.
func FormatOf(content []byte) (Format, bool) {
	switch {
	case bytes.HasPrefix(content, []byte("\x89PNG\r\n\x1a\n")):
		return PNG, true
	case bytes.HasPrefix(content, []byte("\xff\xd8\xff")):
		return JPEG, true
	case len(content) >= 12 && string(content[:4]) == "RIFF" && string(content[8:12]) == "WEBP":
		return WebP, true
	default:
		return "", false
	}
}

// CheckClaims compares the sender's file name and media type with the content's format f. It returns a [Refusal] when the
// extension or the media type belongs to another format. No extension, no media type, and application/octet-stream claim
// nothing.
func (f Format) CheckClaims(fileName, mediaType string) error {
	if extension := strings.ToLower(path.Ext(fileName)); extension != "" && !slices.Contains(f.extensions(), extension) {
		return contradicted("has a name that ends in %s, but its content is %s", extension, f)
	}
	name, _, err := mime.ParseMediaType(mediaType)
	switch {
	case mediaType == "" || name == "application/octet-stream" || name == string(f):
		return nil
	case err != nil:
		return contradicted("has a malformed Content-Type")
	case f == JPEG && name == "image/jpg": // never registered, and common
		return nil
	default:
		return contradicted("is sent as %s, but its content is %s", name, f)
	}
}

func (f Format) extensions() []string {
	switch f {
	case PNG:
		return []string{".png"}
	case JPEG:
		return []string{".jpg", ".jpeg", ".jpe", ".jfif"}
	default:
		return []string{".webp"}
	}
}

func contradicted(format string, args ...any) error {
	return &Refusal{Reason: Contradicted, Message: fmt.Sprintf(format, args...)}
}
