package httpserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"plugboard/app"
)

// The headers of endpoints with app.Idempotent.
const (
	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotency-Replayed"
	// longestKey is the length of the longest key, in bytes.
	longestKey = 255
)

// checkIdempotent finds endpoints that cannot be idempotent.
func (e *endpoint) checkIdempotent() string {
	switch {
	case !e.Options.Idempotent:
		return ""
	case e.Raw != nil:
		return "app.Idempotent is for endpoints made with app.Handle; the host does not see what a raw one answers"
	case e.Handler.CPU():
		return "app.Idempotent is for endpoints made with app.Handle; a CPU-bound one has no database. Use app.Handle, and app.Compute for the part that computes"
	case e.binary:
		return "app.Idempotent is for endpoints that answer with JSON; app.Binary is not kept for repeats"
	case e.Method == http.MethodGet || e.Method == http.MethodHead:
		return "app.Idempotent is for methods that change something; " + e.Method + " repeats safely without it"
	default:
		return ""
	}
}

// expectOnce reads the header of a request to an idempotent endpoint, before the body is read.
func (e *endpoint) expectOnce(x *exchange) error {
	if !e.Options.Idempotent {
		return nil
	}
	x.call.Once = &app.OnceRequest{Encode: func(status int, data any) (app.OnceAnswer, error) { return x.encodeOnce(e, status, data) }}
	given := x.request.Header[headerKey]
	if len(given) == 0 {
		return nil
	}
	key, ok := readKey(given)
	if !ok {
		return app.Errorf(app.Malformed, "the header %s must be one key of 1 to %d visible ASCII characters, as it is or in quotes", headerKey, longestKey)
	}
	claim := &app.OnceClaim{}
	id := newDigest()
	principal := ""
	if x.call.Principal != nil {
		principal = x.call.Principal.ID
	}
	id.add(principal, e.Method, e.Path, key)
	id.sum(&claim.ID)
	x.call.Once.Claim = claim
	return nil
}

// readKey reads an Idempotency-Key. By the draft it is a string of RFC 8941, in quotes; many clients send it as it is. Both forms of a key
// are the same key.
func readKey(lines []string) (key string, ok bool) {
	if len(lines) != 1 {
		return "", false
	}
	key = lines[0]
	if quoted, ok := strings.CutPrefix(key, `"`); ok {
		if key, ok = unquote(quoted); !ok {
			return "", false
		}
	}
	visible := func(r rune) bool { return r > ' ' && r <= '~' }
	return key, key != "" && len(key) <= longestKey && !strings.ContainsFunc(key, func(r rune) bool { return !visible(r) })
}

// unquote reads a string of RFC 8941, section 4.2.5, behind its first quote. Nothing may follow the last one.
func unquote(rest string) (text string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; c {
		case '"':
			return b.String(), i == len(rest)-1
		case '\\':
			i++
			if i == len(rest) || rest[i] != '"' && rest[i] != '\\' {
				return "", false
			}
			b.WriteByte(rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// fingerprint notes in the claim, if there is one, what tells the request from others with the same key: the method, the path with the
// query, the headers and cookies that the request type takes, and the body as it was sent. It takes the bytes and not what was bound: types may read
// different bodies as the same value, and then a repeat would get the answer of another request. That two bodies which mean the same
// are different is the safe mistake, and clients repeat a request as it was. Where the host does not know who calls, a guard of the plugin's own
// may, most likely by the header Authorization; so that is noted too, and nobody gets the answer to somebody else by their key.
func (e *endpoint) fingerprint(x *exchange) {
	if x.call.Once == nil || x.call.Once.Claim == nil {
		return
	}
	r, d := x.request, newDigest()
	d.add(r.Method, r.URL.EscapedPath(), r.URL.RawQuery)
	for _, name := range e.binder.Headers() {
		if name = http.CanonicalHeaderKey(name); name != headerKey {
			d.addList(name, r.Header[name])
		}
	}
	for _, name := range e.binder.Cookies() {
		d.addList(name, cookiesOf(r, name))
	}
	if x.call.Principal == nil {
		d.addList("Authorization", r.Header["Authorization"])
	}
	var body []byte
	if x.buffer != nil {
		body = x.buffer.Bytes()
	}
	d.addBody(r.Header.Get("Content-Type"), body)
	d.sum(&x.call.Once.Claim.Fingerprint)
}

// cookiesOf returns the values of the request's cookies of a name.
func cookiesOf(r *http.Request, name string) (values []string) {
	for _, cookie := range r.CookiesNamed(name) {
		values = append(values, cookie.Value)
	}
	return values
}

// digest is a hash of a list of texts. Each is hashed with its length, so that different lists differ.
type digest struct{ hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

func (d digest) add(texts ...string) {
	for _, text := range texts {
		d.length(len(text))
		_, _ = io.WriteString(d, text)
	}
}

func (d digest) length(n int) {
	var buf [8]byte
	binary.BigEndian.PutUint64(buf[:], uint64(n))
	_, _ = d.Write(buf[:])
}

func (d digest) addList(name string, values []string) {
	d.add(name)
	d.length(len(values))
	d.add(values...)
}

func (d digest) sum(into *[sha256.Size]byte) { d.Sum(into[:0]) }

// addBody adds a body. A client makes a new boundary for each multipart body that it sends, so of these the parts are added.
func (d digest) addBody(contentType string, body []byte) {
	name, params, _ := mime.ParseMediaType(contentType)
	d.add(name)
	if name == "multipart/form-data" {
		if parts, err := digestParts(body, params["boundary"]); err == nil {
			d.add(string(parts))
			return
		}
	}
	d.length(len(body))
	_, _ = d.Write(body)
}

// digestParts returns a hash of the parts of a multipart body.
func digestParts(body []byte, boundary string) ([]byte, error) {
	d, r := newDigest(), multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return d.Sum(nil), nil
		}
		if err != nil {
			return nil, err
		}
		d.length(len(part.Header))
		for _, name := range slices.Sorted(maps.Keys(part.Header)) {
			d.addList(name, part.Header[name])
		}
		content := newDigest()
		if _, err := io.Copy(content, part); err != nil {
			return nil, err
		}
		d.add(string(content.Sum(nil)))
	}
}

// encodeOnce returns an answer as it is kept.
func (x *exchange) encodeOnce(e *endpoint, status int, data any) (answer app.OnceAnswer, err error) {
	if answer.Status, err = successStatus(status, e.status); err == nil && !bodyless(answer.Status) {
		answer.Data, err = encodeData(data, e.encoding)
	}
	if err != nil {
		x.call.SetStatus(http.StatusInternalServerError)
	}
	return answer, err
}

func encodeData(data any, encoding json.Options) ([]byte, error) {
	text, err := json.Marshal(data, encoding)
	if err != nil {
		return nil, errEncode(err)
	}
	return text, nil
}

// errNoOnce is a bug of the plugin: a repeat of the request would do the work again.
var errNoOnce = errors.New("the endpoint has app.Idempotent() and the request an Idempotency-Key, but the handler succeeded without app.Once")

// sendOnce sends the answer that app.Once has stored or found, and reports whether the request has a key, for which there must be one.
func (x *exchange) sendOnce() bool {
	if x.call.Once == nil || x.call.Once.Claim == nil {
		return false
	}
	answer, replayed := x.call.Once.Answer()
	if answer == nil {
		x.call.SetStatus(http.StatusInternalServerError)
		x.fail(x, errNoOnce)
		return true
	}
	x.applyHeader(x.Header())
	if replayed {
		x.Header()[headerReplayed] = []string{"true"}
	}
	if bodyless(answer.Status) {
		x.sendEmpty(answer.Status)
		return true
	}
	x.send(x, answer.Status, slices.Concat([]byte(successHead), answer.Data, []byte(successTail)))
	return true
}
