package httpserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/rules"
)

const (
	messageInternal = "internal error"
	// statusClientGone is the status under which a request is logged and counted if its client left. It is nginx's number.
	statusClientGone = 499
)

// failure is a failed answer, ready to be written.
type failure struct {
	status  int
	code    app.Code
	message string
	details []app.Violation
	retry   time.Duration
}

// errNotFound says that the path is not served.
func errNotFound() error { return app.Errorf(app.NotFound, "there is nothing at this path") }

// fail logs err if it is the service's fault, and writes the failure's envelope to w, which is x or a writer around it.
func (x *exchange) fail(w http.ResponseWriter, err error) {
	if x.clientLeft(err) {
		x.gone = true
		x.logger().Debug("client left", append(x.identity(), zap.Error(err))...)
	}
	f := x.classify(err)
	switch set := x.call.Status(); { // the handler's own status stands, if a failure can have it
	case set >= http.StatusBadRequest && set < 600:
		f.status = set
	case set != 0 && (set < http.StatusOK || set >= 600):
		err = fmt.Errorf("answer request: the handler set status %d, which no answer has, and failed: %v", set, err) //nolint:errorlint // the plugin's bug is reported, whatever the failure was
		f = failure{status: http.StatusInternalServerError, code: app.Internal, message: messageInternal}
	}
	if (f.status == http.StatusServiceUnavailable || f.status == http.StatusTooManyRequests) && f.retry <= 0 {
		f.retry = time.Second
	}
	x.logFailure(f, err)
	x.applyHeader(w.Header())
	x.write(w, f)
}

// clientLeft reports whether err came about because the client does not wait any more.
func (x *exchange) clientLeft(err error) bool {
	return errors.Is(err, context.Canceled) && x.request.Context().Err() != nil
}

// classify decides what the caller is told about err.
func (x *exchange) classify(err error) failure {
	var known *app.Error
	var broken app.Violations
	switch {
	case errors.As(err, &known):
		return classifyKnown(known)
	case errors.As(err, &broken):
		return classifyKnown(rules.Failure(broken))
	case errors.Is(err, context.DeadlineExceeded):
		return failure{status: http.StatusGatewayTimeout, code: app.TimedOut, message: "the request took too long"}
	case x.gone:
		return failure{status: statusClientGone, code: app.TimedOut, message: "the client left"}
	default:
		return failure{status: http.StatusInternalServerError, code: app.Internal, message: messageInternal}
	}
}

func classifyKnown(e *app.Error) failure {
	f := failure{status: e.Code.Status(), code: e.Code, message: e.Message, details: e.Details, retry: e.RetryAfter}
	if f.code == "" {
		f.code = app.Internal
	}
	if f.message == "" {
		f.message = strings.ToLower(http.StatusText(f.status))
	}
	return f
}

// logFailure logs a failure of the service once, whatever status the plugin set, unless it is a refusal under load. A failure of the
// caller is in the access log alone.
func (x *exchange) logFailure(f failure, err error) {
	if f.status < http.StatusInternalServerError && f.code != app.Internal || x.gone || isRefusal(err) {
		return
	}
	fields := append(x.identity(), zap.Int("status", f.status), zap.Error(err))
	if stack := stackOf(err); stack != nil {
		fields = append(fields, zap.ByteString("stack", stack))
	}
	if f.code == app.Internal {
		x.logger().Error("request failed", fields...)
		return
	}
	x.logger().Warn("request failed", fields...)
}

// isRefusal reports whether err counts as a refusal under load: any error of the code Unavailable that wraps no cause. Refusals are not
// logged as failures, since there may be very many. The access log and the metrics have them.
func isRefusal(err error) bool {
	var known *app.Error
	return errors.As(err, &known) && known.Code == app.Unavailable && known.Unwrap() == nil
}

// applyHeader adds the headers that the plugin set, except those that belong to the host.
func (x *exchange) applyHeader(h http.Header) {
	id, connection, vary := h["X-Request-Id"], h["Connection"], h["Vary"]
	x.call.WriteHeader(h)
	for _, v := range vary {
		if !slices.Contains(h["Vary"], v) {
			h["Vary"] = append(h["Vary"], v)
		}
	}
	h["X-Request-Id"], h["X-Content-Type-Options"] = id, x.server.nosniff
	delete(h, "Connection")
	if connection != nil {
		h["Connection"] = connection
	}
	delete(h, "Transfer-Encoding")
}

// write sends the failure's envelope.
func (x *exchange) write(w http.ResponseWriter, f failure) {
	if x.status != 0 || x.hijacked {
		return
	}
	buf := x.server.buffers.get()
	defer x.server.buffers.put(buf)
	buf.WriteString(`{"success":false,"data":null,"error":`)
	appendText(buf, f.message)
	buf.WriteString(`,"code":`)
	appendText(buf, string(f.code))
	if len(f.details) > 0 {
		buf.WriteString(`,"details":`)
		if err := json.MarshalWrite(buf, f.details, jsontext.AllowInvalidUTF8(true)); err != nil {
			x.logger().Error("encoding the details of a failure failed", append(x.identity(), zap.Error(err))...)
			buf.WriteString("[]")
		}
	}
	buf.WriteByte('}')
	if f.retry > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((f.retry+time.Second-1)/time.Second), 10))
	}
	x.send(w, f.status, buf.Bytes())
}

// appendText appends text as a JSON string.
func appendText(buf *bytes.Buffer, text string) {
	quoted, _ := jsontext.AppendQuote(buf.AvailableBuffer(), text) // the error tells of invalid UTF-8, which it has replaced
	buf.Write(quoted)
}

// send writes a whole JSON body.
func (x *exchange) send(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = x.server.jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		x.logger().Debug("writing the answer failed", append(x.identity(), zap.Error(err))...)
	}
}

// succeed answers with data, a pointer to the result, with the given status unless the handler set another.
func (x *exchange) succeed(status int, data any, encoding json.Options) {
	status, err := successStatus(x.call.Status(), status)
	if err != nil {
		x.call.SetStatus(http.StatusInternalServerError)
		x.fail(x, err)
		return
	}
	if bodyless(status) {
		x.applyHeader(x.Header())
		x.sendEmpty(status)
		return
	}
	buf := x.server.buffers.get()
	defer x.server.buffers.put(buf)
	buf.WriteString(successHead)
	if err := json.MarshalWrite(buf, data, encoding); err != nil {
		x.call.SetStatus(http.StatusInternalServerError)
		x.fail(x, errEncode(err))
		return
	}
	buf.WriteString(successTail)
	x.applyHeader(x.Header())
	x.send(x, status, buf.Bytes())
}

// What stands around the data of a success.
const (
	successHead = `{"success":true,"data":`
	successTail = `,"error":null}`
)

func errEncode(err error) error { return fmt.Errorf("encode answer: %w", err) }

// successStatus returns the status of a success: the one that the handler has set, or the given one if that is 0.
func successStatus(set, otherwise int) (int, error) {
	if set == 0 {
		return otherwise, nil
	}
	if set < http.StatusOK || set >= http.StatusBadRequest {
		return set, fmt.Errorf("answer request: the handler set status %d on an answer without an error", set)
	}
	return set, nil
}

// bodyless reports whether an answer of status has no body: 204, 205, 304 and redirects.
func bodyless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusResetContent || status >= http.StatusMultipleChoices
}

// sendEmpty sends an answer without a body.
func (x *exchange) sendEmpty(status int) {
	h := x.Header()
	delete(h, "Content-Type")
	delete(h, "Content-Length")
	if status != http.StatusNoContent && status != http.StatusNotModified {
		h["Content-Length"] = []string{"0"}
	}
	x.WriteHeader(status)
}

// WriteHeader sends the head. The second call is ignored.
func (x *exchange) WriteHeader(status int) {
	if x.status != 0 || x.hijacked {
		return
	}
	final := status >= 200 || status == http.StatusSwitchingProtocols
	if final {
		x.leaveBody(status)
	}
	x.ResponseWriter.WriteHeader(status) // panics when there is no such status; nothing is sent then
	if final {
		x.status = status
	}
}

// Write sends a part of the body. The answer to a HEAD has no body.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	if x.request.Method == http.MethodHead {
		return len(p), nil
	}
	for written := 0; ; {
		part := p[written:]
		if x.paces() {
			x.paceWrite(len(part))
			part = part[:min(len(part), writePart)]
		}
		n, err := x.ResponseWriter.Write(part)
		x.bytes += int64(n)
		written += n
		if err != nil {
			x.noteUnwritten(err)
		}
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// writePart is how many bytes of an answer the server writes at a time. It does not move the deadline on before it has written more than
// that, so a short answer costs no call of the system for the deadline.
const writePart = 32 << 10

// paces reports whether the host moves the write deadline on while the client takes the answer.
func (x *exchange) paces() bool { return x.server.config.StallTimeout > 0 && !x.ownPace }

// paceWrite gives the client the stall timeout to take something of the next n bytes. So a long answer, or a stream without a
// deadline, is cut off only when the client takes nothing of it.
func (x *exchange) paceWrite(n int) {
	if !x.paces() || x.bytes+int64(n) <= writePart && !x.endless {
		return
	}
	if now := time.Now(); now.Sub(x.paced) >= paceTick {
		x.paced = now
		x.setWriteDeadline(now.Add(x.server.config.StallTimeout))
	}
}

// restartPace gives the client the stall timeout from now on, whatever the length of the answer.
func (x *exchange) restartPace() { x.paceWrite(writePart + 1) }

// noteUnwritten notes why a part of the answer could not be written: the client took nothing for the stall timeout, or has left.
// Net/http ends the request's context in both cases.
func (x *exchange) noteUnwritten(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		x.cut = true
		return
	}
	x.noteClient()
}
