package app

import (
	"io"
	"time"
)

// Binary is a result that is not JSON: an image, a file, a stream of bytes. It is sent as it is, without
// the envelope; failures keep the envelope. The host answers If-None-Match, without reading the content, and, for bytes, Range requests.
//
// The zero Binary under status 202, which the handler sets with [SetStatus], says that the content is not there yet; it
// is answered in the envelope, with empty data.
type Binary struct {
	// ContentType is the media type. Required.
	ContentType string
	// Bytes is the content, when Stream is nil. It is held until the client has taken all of it, and counts as memory
	// of the request (see [Reserve]).
	Bytes []byte
	// Stream is the content; the host reads it to its end and closes it if it is an io.Closer. It is for content that is
	// large, and sent in parts of 32 KiB as they fill up. It is read after the handler has returned, and as long as the
	// client takes some of it, which may be longer than the request's deadline: what it reads from the database needs
	// [context.WithoutCancel]. The host answers Range requests for one that is an io.Seeker too. What the client must have at once, piece by piece, is for
	// [Boot.Raw].
	Stream io.Reader
	// Filename suggests a name to save the content under, and makes it a download; optional.
	Filename string
	// ETag identifies this version of the content, without quotes; optional.
	ETag string
	// MaxAge lets caches keep the content for that long; zero sends no-cache, so that a cache asks each
	// time whether the ETag still holds.
	MaxAge time.Duration
	// Immutable tells caches that the content at this URL never changes; it goes with MaxAge.
	Immutable bool
}
