package app

// RawBody is the type of a request field that takes the whole body as it was sent, byte for byte, for example to check the
// signature of a webhook. It stands beside JSON fields, which are filled as well, or alone; then the endpoint takes a body
// of any media type. The field needs no tag, and the bytes belong to the request.
type RawBody []byte

// File is an uploaded file. A request field of type *File with a form tag is filled from the multipart
// part of that name; it is nil when the part is missing, or is what a browser sends where no file was chosen (no name
// and no content), both of which binding:"required" refuses. The content is in memory and belongs to the request, so
// that a CPU-bound handler may use it.
type File struct {
	// Name is the file name the client sent, without any folder: never empty, and never "." or "..". It is the
	// client's claim and must not be used as a path.
	Name string
	// ContentType is the media type the client claimed.
	ContentType string
	// Content is the whole file.
	Content []byte
}
