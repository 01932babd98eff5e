package httpserver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"plugboard/app"
)

// runBinary runs a CPU-bound handler whose result is binary on the work pool. It closes the stream of a result that comes with an
// error, or for which the caller waits no more.
func (e *endpoint) runBinary(ctx context.Context, call app.Invocation) error {
	var settled atomic.Bool // by the job when it has a result, or by the caller when it waits no more
	_, err := e.server.pool.Run(ctx, func(job app.Job) (any, error) {
		err := call.RunJob(job)
		if settled.Swap(true) {
			closeStream(call)
		}
		return nil, err
	})
	if err != nil && settled.Swap(true) {
		closeStream(call)
	}
	return err
}

// closeStream closes the stream of a result that is not sent.
func closeStream(call app.Invocation) {
	if b, ok := call.Response().(*app.Binary); ok {
		if c, ok := b.Stream.(io.Closer); ok {
			_ = c.Close() // nobody reads it
		}
	}
}

// sendBinary answers with b as it is, but with an empty envelope when the status is 202 and the handler returned nothing. It answers a
// failure before the first byte in the envelope. After a later one it breaks the connection, since the status is sent already.
func (x *exchange) sendBinary(e *endpoint, b *app.Binary) {
	if c, ok := b.Stream.(io.Closer); ok {
		defer func() { _ = c.Close() }() // it was read to its end, or nobody reads on
	}
	status := e.status
	if set := x.call.Status(); set != 0 {
		status = set
	}
	if status == http.StatusAccepted && isZeroBinary(b) {
		x.succeed(status, &app.Empty{}, x.server.encoding)
		return
	}
	if why := binaryFault(status, b); why != "" {
		x.call.SetStatus(http.StatusInternalServerError)
		x.fail(x, fmt.Errorf("answer request: %s", why))
		return
	}
	x.applyHeader(x.Header())
	if bodyless(status) {
		x.sendEmpty(status)
		return
	}
	x.binaryHeader(b, len(e.Options.Guards) > 0)
	safe := status == http.StatusOK && (x.request.Method == http.MethodGet || x.request.Method == http.MethodHead)
	if safe && x.ifMatchFails(b.ETag) {
		x.clearHeader()
		x.fail(x, app.Errorf(app.PreconditionFailed, "the content is not the one that If-Match names"))
		return
	}
	if safe && etagMatches(x.request.Header["If-None-Match"], b.ETag, true) {
		x.sendEmpty(http.StatusNotModified)
		return
	}
	x.sendBinaryBody(status, b, safe)
}

// sendBinaryBody sends b's content. It reserves the bytes that are sent as a whole, since they stay in memory until the client has
// taken them.
func (x *exchange) sendBinaryBody(status int, b *app.Binary, safe bool) {
	if err := x.call.Reserve(int64(len(b.Bytes))); err != nil {
		x.clearHeader()
		x.fail(x, err)
		return
	}
	seeker, seekable := b.Stream.(io.ReadSeeker)
	switch {
	case safe && b.Stream == nil:
		x.sendContent(bytes.NewReader(b.Bytes))
	case safe && seekable:
		x.sendSeekable(seeker)
	case b.Stream == nil:
		x.sendBytes(status, b.Bytes)
	default:
		x.sendStream(status, b.Stream)
	}
}

// isZeroBinary reports whether the plugin returned nothing at all.
func isZeroBinary(b *app.Binary) bool {
	return b.ContentType == "" && b.Bytes == nil && b.Stream == nil
}

// binaryFault says what is wrong with the plugin's result, "" for nothing.
func binaryFault(status int, b *app.Binary) string {
	switch {
	case status < http.StatusOK || status >= http.StatusBadRequest:
		return fmt.Sprintf("the handler set status %d on an answer without an error", status)
	case b.ContentType == "" && !bodyless(status):
		return "the binary result has no content type"
	case strings.ContainsAny(b.ETag, "\"\r\n\x00") || strings.ContainsAny(b.ContentType, "\r\n\x00"):
		return "the binary result has a malformed ETag or content type"
	default:
		return ""
	}
}

// binaryHeader sets the headers that b asks for. Only the caller's own cache may keep an answer that a guard protects, or that sets a cookie.
func (x *exchange) binaryHeader(b *app.Binary, guarded bool) {
	h := x.Header()
	h.Set("Content-Type", b.ContentType)
	if b.ETag != "" {
		h.Set("ETag", `"`+b.ETag+`"`)
	}
	if b.Filename != "" {
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": b.Filename}))
	}
	control := "no-cache"
	if b.MaxAge > 0 {
		control = "max-age=" + strconv.FormatInt(int64(b.MaxAge/time.Second), 10)
		if b.Immutable {
			control += ", immutable"
		}
	}
	switch {
	case guarded || len(h["Set-Cookie"]) > 0:
		control = "private, " + control
	case b.MaxAge > 0:
		control = "public, " + control
	}
	h.Set("Cache-Control", control)
}

// sendSeekable answers with a stream that can be read from any place. It reads one byte before it sends the head, so that a stream that
// fails at once is answered in the envelope.
func (x *exchange) sendSeekable(r io.ReadSeeker) {
	source := &watchedReader{Reader: r}
	if x.request.Method == http.MethodGet {
		_, _ = source.Read(make([]byte, 1)) // source keeps the error
		if _, err := r.Seek(0, io.SeekStart); source.err == nil {
			source.err = err
		}
	}
	if source.err == nil {
		x.sendContent(struct {
			io.Reader
			io.Seeker
		}{source, r})
	}
	switch {
	case source.err == nil:
	case x.status == 0:
		x.clearHeader()
		x.fail(x, fmt.Errorf("read stream: %w", source.err))
	default:
		x.breakStream(source.err)
	}
}

// sendContent answers with content, conditional and range requests included.
func (x *exchange) sendContent(content io.ReadSeeker) {
	w := &rangeWriter{ResponseWriter: x}
	x.restartPace() // the handler may have used up the time for answers
	http.ServeContent(w, x.rangeRequest(), "", time.Time{}, content)
	if !w.refused {
		return
	}
	size, _ := content.Seek(0, io.SeekEnd) // ServeContent has done so
	x.clearHeader()
	x.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
	x.fail(x, app.Errorf(app.RangeNotSatisfiable, "the range is not within the content"))
}

// rangeWriter keeps back the answer of http.ServeContent to a range outside the content, which is plain text.
type rangeWriter struct {
	http.ResponseWriter
	refused bool
}

// WriteHeader implements http.ResponseWriter.
func (w *rangeWriter) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		w.refused = true
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *rangeWriter) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// sendBytes sends a whole body. The Content-Type is set already.
func (x *exchange) sendBytes(status int, body []byte) {
	x.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.WriteHeader(status)
	if _, err := x.Write(body); err != nil {
		x.logger().Debug("writing the answer failed", append(x.identity(), zap.Error(err))...)
	}
}

// sendStream sends what r gives. It reads the first part before it sends the head, so that a stream that fails at once is answered in
// the envelope.
func (x *exchange) sendStream(status int, r io.Reader) {
	const part = 32 << 10
	first := make([]byte, part)
	n, err := readFirst(r, first)
	switch {
	case err == io.EOF: //nolint:errorlint // a wrapped one is a failure
		x.sendBytes(status, first[:n])
		return
	case err != nil:
		x.clearHeader()
		x.fail(x, fmt.Errorf("read stream: %w", err))
		return
	}
	x.WriteHeader(status)
	if x.request.Method == http.MethodHead {
		return
	}
	x.restartPace() // reading the first part may have used up the time for answers
	if _, err := x.Write(first); err != nil {
		return // the client left, or does not take it
	}
	source := &watchedReader{Reader: r}
	_, _ = io.CopyBuffer(x, source, first) // an error of x says that the client left
	if source.err != nil {
		x.breakStream(source.err)
	}
}

// readFirst fills part from r. Its error is r's own: io.EOF at the end. The function io.ReadFull would return io.ErrUnexpectedEOF both
// at the end and when r itself is cut off.
func readFirst(r io.Reader, part []byte) (n int, err error) {
	for n < len(part) && err == nil {
		var got int
		got, err = r.Read(part[n:])
		n += got
	}
	if n == len(part) {
		return n, nil // the part is good; a reader that has failed says so again at the next read
	}
	return n, err
}

// breakStream logs that the stream of an answer failed with err, perhaps because the client left, and breaks the connection.
func (x *exchange) breakStream(err error) {
	if x.noteClient(); x.gone {
		x.logger().Debug("client left", append(x.identity(), zap.Error(err))...)
	} else {
		x.logger().Error("reading the stream of an answer failed", append(x.identity(), zap.Error(err))...)
	}
	panic(http.ErrAbortHandler)
}

// watchedReader keeps the error with which its reader failed.
type watchedReader struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && err != io.EOF { // a wrapped one is a failure
		w.err = err
	}
	return n, err
}

// ifMatchFails reports whether the request has an If-Match and none of its tags is etag, which is "" for content without a tag.
func (x *exchange) ifMatchFails(etag string) bool {
	given := x.request.Header["If-Match"]
	return len(given) > 0 && !etagMatches(given, etag, false)
}

// etagMatches reports whether etag or "*" is among the tags in the given header lines. By RFC 9110, If-None-Match is compared weakly and
// If-Match is not. It ignores the rest of a line behind a malformed tag.
func etagMatches(given []string, etag string, weakly bool) bool {
	for _, rest := range given {
		for {
			rest = strings.TrimLeft(rest, " \t,")
			if strings.HasPrefix(rest, "*") {
				return true
			}
			tagged, weak := strings.CutPrefix(rest, "W/")
			if !strings.HasPrefix(tagged, `"`) {
				break
			}
			tag, after, closed := strings.Cut(tagged[1:], `"`)
			if closed && etag != "" && tag == etag && (weakly || !weak) {
				return true
			}
			rest = after
		}
	}
	return false
}

// rangeRequest returns the request for http.ServeContent: the method, and the range of bytes. Ranges are for GET alone, and a range of
// an unknown unit is ignored (RFC 9110, section 14.2). Conditions are left out; they have been checked.
func (x *exchange) rangeRequest() *http.Request {
	const unit = "bytes="
	r := &http.Request{Method: x.request.Method, Header: http.Header{}}
	given := x.request.Header["Range"]
	if r.Method != http.MethodGet || len(given) != 1 || len(given[0]) < len(unit) || !strings.EqualFold(given[0][:len(unit)], unit) {
		return r
	}
	r.Header["Range"] = []string{unit + given[0][len(unit):]}
	if since, ok := x.request.Header["If-Range"]; ok {
		r.Header["If-Range"] = since
	}
	return r
}
