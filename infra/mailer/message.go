package mailer

import (
	"encoding/base64"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"plugboard/app"
)

// write writes the message as it is sent: fields with lines of at most 998 bytes, a body of ASCII in short lines.
func (l *letter) write(w io.Writer) error {
	var head strings.Builder
	field := func(name, value string) { head.WriteString(name + ": " + value + "\r\n") }
	field("From", address(l.from))
	to := make([]string, len(l.to))
	for i, a := range l.to {
		to[i] = address(a)
	}
	field("To", strings.Join(to, ",\r\n "))
	if l.replyTo != nil {
		field("Reply-To", address(l.replyTo))
	}
	field("Subject", phrase(l.Subject))
	field("Date", l.date.Format(time.RFC1123Z))
	field("Message-ID", l.id)
	field("Auto-Submitted", "auto-generated") // RFC 3834: no answer from those who are on holiday
	field("MIME-Version", "1.0")
	body := l.content()
	for _, name := range slices.Sorted(maps.Keys(body.header)) {
		field(name, body.header.Get(name))
	}
	if _, err := io.WriteString(w, head.String()+"\r\n"); err != nil {
		return err
	}
	return body.body(w)
}

// part is a body, or a part of one, with its header.
type part struct {
	header textproto.MIMEHeader
	body   func(io.Writer) error
}

// content returns the body: text and HTML as alternatives, the attachments beside them.
func (l *letter) content() part {
	var texts []part
	if l.Text != "" {
		texts = append(texts, text("text/plain", l.Text))
	}
	if l.HTML != "" {
		texts = append(texts, text("text/html", l.HTML))
	}
	whole := texts[0]
	if len(texts) > 1 {
		whole = several("multipart/alternative", texts)
	}
	if len(l.Attachments) == 0 {
		return whole
	}
	parts := []part{whole}
	for _, a := range l.Attachments {
		parts = append(parts, file(a))
	}
	return several("multipart/mixed", parts)
}

func text(kind, content string) part {
	return part{
		header: textproto.MIMEHeader{contentType: {kind + "; charset=utf-8"}, transferEncoding: {"quoted-printable"}},
		body: func(w io.Writer) error {
			q := quotedprintable.NewWriter(w)
			if _, err := io.WriteString(q, content); err != nil {
				return err
			}
			return q.Close()
		},
	}
}

func file(a app.Attachment) part {
	kind := "application/octet-stream"
	if given, parameters, err := mime.ParseMediaType(a.ContentType); err == nil {
		kind = mime.FormatMediaType(given, parameters)
	}
	return part{
		header: textproto.MIMEHeader{
			contentType: {kind}, transferEncoding: {"base64"},
			"Content-Disposition": {mime.FormatMediaType("attachment", map[string]string{"filename": a.Name})},
		},
		body: func(w io.Writer) error {
			b := base64.NewEncoder(base64.StdEncoding, &lines{w: w})
			if _, err := b.Write(a.Content); err != nil {
				return err
			}
			return b.Close()
		},
	}
}

// several returns a part that consists of parts.
func several(kind string, parts []part) part {
	boundary := multipart.NewWriter(io.Discard).Boundary() // a random one
	return part{
		header: textproto.MIMEHeader{contentType: {kind + ";\r\n boundary=" + boundary}},
		body: func(w io.Writer) error {
			m := multipart.NewWriter(w)
			if err := m.SetBoundary(boundary); err != nil {
				return err
			}
			for _, p := range parts {
				w, err := m.CreatePart(p.header)
				if err != nil {
					return err
				}
				if err := p.body(w); err != nil {
					return err
				}
			}
			return m.Close()
		},
	}
}

const (
	contentType      = "Content-Type"
	transferEncoding = "Content-Transfer-Encoding"
)

// lines writes lines of 76 characters.
type lines struct {
	w   io.Writer
	col int
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	const width = 76
	for rest := p; len(rest) > 0; {
		if l.col == width {
			if _, err := io.WriteString(l.w, "\r\n"); err != nil {
				return 0, err
			}
			l.col = 0
		}
		n, err := l.w.Write(rest[:min(len(rest), width-l.col)])
		if err != nil {
			return 0, err
		}
		l.col += n
		rest = rest[n:]
	}
	return len(p), nil
}

// address returns a as a header has it.
func address(a *mail.Address) string {
	if isPlain(a.Name) {
		return a.String() // quoted where that is needed
	}
	return phrase(a.Name) + " <" + a.Address + ">"
}

// phrase returns a text as a header has it: as encoded words (RFC 2047), each on a line of its own, unless it is plain.
func phrase(text string) string {
	const most = 45 // bytes, which make a word of 72 characters; 75 are allowed
	if isPlain(text) {
		return text
	}
	var words []string
	for len(text) > 0 {
		n := min(most, len(text))
		for n < len(text) && !utf8.RuneStart(text[n]) { // a word has whole characters
			n--
		}
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(text[:n]))+"?=")
		text = text[n:]
	}
	return strings.Join(words, "\r\n ")
}

// isPlain reports whether a text can stand in a header and is read there as it is: ASCII, in one line, no encoded word.
func isPlain(text string) bool {
	if strings.Contains(text, "=?") || text != strings.TrimSpace(text) {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}
