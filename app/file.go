package app

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
