package bind

import (
	"bytes"
	"io"
	"mime/multipart"
	"reflect"
	"slices"
	"strings"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/rules"
	"plugboard/infra/httpserver/bind/wire"
)

// bindFormBody fills form fields and files from body, which is of the given media type.
func (b *Binder) bindFormBody(body []byte, as mediaType, request reflect.Value, found *rules.Violations) error {
	if as.name == "application/x-www-form-urlencoded" {
		pairs, err := parsePairs("form", string(body))
		if err != nil {
			return err
		}
		return b.bindForm("form", pairs, request, found)
	}
	if as.boundary == "" {
		return app.Errorf(app.UnsupportedType, "the multipart body needs a boundary")
	}
	form := multipartForm{binder: b, request: request, found: found, body: bytes.NewReader(body)}
	if err := form.read(multipart.NewReader(form.body, as.boundary)); err != nil {
		return err
	}
	return b.bindForm("form", form.pairs, request, found)
}

// multipartForm collects the parts of one multipart body. It copies them out of the body, whose buffer is used again for another
// request.
type multipartForm struct {
	binder  *Binder
	body    *bytes.Reader
	request reflect.Value
	found   *rules.Violations
	pairs   []pair
	parts   int
	room    *bytes.Buffer // for the part that is being copied
}

// read reads all parts.
func (m *multipartForm) read(r *multipart.Reader) error {
	for {
		part, err := r.NextRawPart()
		if err == io.EOF { // a wrapped one says that the body is cut short
			return nil
		}
		if err != nil {
			return app.Errorf(app.Malformed, "the multipart body is malformed").Because(err)
		}
		if m.parts++; m.parts > maxParameters {
			return app.Errorf(app.Malformed, "the form has more than %d parts", maxParameters)
		}
		if err := m.part(part); err != nil {
			return err
		}
	}
}

// part copies a part for which the request has a field. Of others it takes no more than the name.
func (m *multipartForm) part(part *multipart.Part) error {
	name, file := part.FormName(), part.FileName() != ""
	if message := wire.CheckText(name); name == "" || message != "" {
		return app.Errorf(app.Malformed, "a part of the multipart body has no usable name")
	}
	if i := slices.IndexFunc(m.binder.files, func(f fileParam) bool { return f.name == name }); i >= 0 {
		return m.file(&m.binder.files[i], part)
	}
	i := slices.IndexFunc(m.binder.form, func(f param) bool { return f.name == name })
	switch {
	case file && (i >= 0 || m.binder.strict):
		m.found.Add(wire.Clip(name), "type", "must not be a file")
	case file: // nobody asked for it
	case i < 0 || m.isSurplus(&m.binder.form[i]):
		m.pairs = append(m.pairs, pair{name: name}) // the name alone is enough to refuse it, or to ignore it
	default:
		value, err := m.content(part)
		m.pairs = append(m.pairs, pair{name, string(value)})
		return err
	}
	return nil
}

// isSurplus reports whether f takes one value and was given before.
func (m *multipartForm) isSurplus(f *param) bool {
	return !f.slice && slices.ContainsFunc(m.pairs, func(p pair) bool { return p.name == f.name })
}

// content copies a part out of the body, into room, which holds all that is left of the body. It returns a copy of a part that takes at
// most half of the room, and uses the room for the next part again. A larger part keeps the room, so that it is not copied twice.
func (m *multipartForm) content(part *multipart.Part) ([]byte, error) {
	const buffered = 8192 // more than the reader has taken of the body beforehand
	if m.room == nil {
		m.room = bytes.NewBuffer(make([]byte, 0, m.body.Len()+buffered))
	}
	m.room.Reset()
	if _, err := m.room.ReadFrom(part); err != nil {
		return nil, app.Errorf(app.Malformed, "the multipart body is malformed").Because(err)
	}
	content := m.room.Bytes()
	if len(content) <= m.room.Cap()/2 {
		return bytes.Clone(content), nil
	}
	m.room = nil
	return slices.Clip(content), nil
}

// file adds an uploaded file to its field.
func (m *multipartForm) file(f *fileParam, part *multipart.Part) error {
	field := m.request.FieldByIndex(f.index)
	if !f.slice && !field.IsNil() {
		m.found.Add(f.name, "single", "must be given once")
		return nil
	}
	content, err := m.content(part)
	if err != nil {
		return err
	}
	name := part.FileName()
	if name == "" && len(content) == 0 {
		return nil // what a browser sends where no file was chosen
	}
	if rule, message := checkFileName(name); message != "" {
		m.found.Add(f.name, rule, message)
		return nil
	}
	file := reflect.ValueOf(&app.File{Name: withoutFolder(name), ContentType: part.Header.Get("Content-Type"), Content: content})
	if f.slice {
		file = reflect.Append(field, file)
	}
	field.Set(file)
	return nil
}

// withoutFolder cuts off a folder as Windows writes it. The package mime/multipart has cut off other folders.
func withoutFolder(fileName string) string {
	return fileName[strings.LastIndexByte(fileName, '\\')+1:]
}

// checkFileName says what is wrong with the file name that a client gave.
func checkFileName(name string) (rule, message string) {
	if name == "" {
		return "type", "must be a file"
	}
	if message := wire.CheckText(name); message != "" {
		return wire.RuleOf(message), "file name " + message
	}
	switch withoutFolder(name) {
	case "", ".", "..", "/":
		return "type", "must have a file name"
	default:
		return "", ""
	}
}
