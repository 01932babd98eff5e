package httpserver

import (
	"bytes"
	"io"
	"mime/multipart"
	"reflect"
	"slices"
	"strings"

	"plugboard/app"
)

// bindFormBody fills form fields and files from body, which is of the given media type.
func (p *requestPlan) bindFormBody(body []byte, as mediaType, request reflect.Value, bad *violations) error {
	if as.name == "application/x-www-form-urlencoded" {
		pairs, err := parsePairs("form", string(body))
		if err != nil {
			return err
		}
		return p.bindForm("form", pairs, request, bad)
	}
	if as.boundary == "" {
		return app.Errorf(app.UnsupportedType, "the multipart body needs a boundary")
	}
	form := multipartForm{plan: p, request: request, bad: bad, body: bytes.NewReader(body)}
	if err := form.read(multipart.NewReader(form.body, as.boundary)); err != nil {
		return err
	}
	return p.bindForm("form", form.pairs, request, bad)
}

// multipartForm collects the parts of one multipart body. Everything is copied out of the body, so that the
// request owns its memory.
type multipartForm struct {
	plan    *requestPlan
	body    *bytes.Reader
	request reflect.Value
	bad     *violations
	pairs   []pair
	parts   int
}

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

func (m *multipartForm) part(part *multipart.Part) error {
	name := part.FormName()
	if message := checkText(name); name == "" || message != "" {
		return app.Errorf(app.Malformed, "a part of the multipart body has no usable name")
	}
	content, err := m.content(part)
	if err != nil {
		return app.Errorf(app.Malformed, "the multipart body is malformed").Because(err)
	}
	i := slices.IndexFunc(m.plan.files, func(f fileParam) bool { return f.name == name })
	switch {
	case i >= 0:
		m.file(&m.plan.files[i], part, content)
	case part.FileName() == "":
		m.pairs = append(m.pairs, pair{name, string(content)})
	case m.plan.strict || slices.ContainsFunc(m.plan.form, func(f param) bool { return f.name == name }):
		m.bad.add(clip(name), "type", "must not be a file")
	}
	return nil
}

// smallPart is how much of a part is read before it gets room for all that is left of the body.
const smallPart = 4096

// content copies a part out of the body. A long one is copied once.
func (m *multipartForm) content(part *multipart.Part) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(part, smallPart))
	if err != nil || len(content) < smallPart {
		return content, err
	}
	buf := bytes.NewBuffer(make([]byte, 0, len(content)+m.body.Len()+2*smallPart)) // some of the body is in the reader's buffer
	buf.Write(content)
	_, err = buf.ReadFrom(part)
	return buf.Bytes(), err
}

func (m *multipartForm) file(f *fileParam, part *multipart.Part, content []byte) {
	fileName := part.FileName()
	fileName = fileName[strings.LastIndexByte(fileName, '\\')+1:]
	field := m.request.FieldByIndex(f.index)
	file := &app.File{Name: fileName, ContentType: part.Header.Get("Content-Type"), Content: content}
	message := checkText(fileName)
	switch {
	case message != "":
		m.bad.add(f.name, ruleOf(message), "file name "+message)
	case part.FileName() == "":
		m.bad.add(f.name, "type", "must be a file")
	case f.slice:
		field.Set(reflect.Append(field, reflect.ValueOf(file)))
	case !field.IsNil():
		m.bad.add(f.name, "single", "must be given once")
	default:
		field.Set(reflect.ValueOf(file))
	}
}
