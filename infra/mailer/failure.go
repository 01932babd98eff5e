package mailer

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"unicode"

	"plugboard/app"
)

// step is a part of the dialogue with a server.
type step string

const (
	connect      step = "connect to the server"
	greet        step = "greet the server"
	encrypt      step = "encrypt the connection"
	authenticate step = "log in"
	sender       step = "name the sender"
	recipient    step = "name a recipient"
	content      step = "send the content"
)

// failure is what went wrong in a step.
type failure struct {
	step step
	err  error
}

// forCaller returns the error of Send. The cause, which is for the log, names nobody: what the server says may name a recipient.
func (f *failure) forCaller() error {
	text := f.err.Error()
	if answer, ok := errors.AsType[*textproto.Error](f.err); ok {
		text = fmt.Sprintf("%d %s", answer.Code, answer.Msg)
	}
	cause := fmt.Errorf("send mail: %s: %s", f.step, withoutAddresses(text))
	switch {
	case !f.isFinal():
		return app.Errorf(app.Unavailable, "mail cannot be sent now, try again later").Because(cause)
	case f.step == recipient:
		return app.Permanent(app.Errorf(app.Invalid, "the mail server refuses a recipient").Because(cause))
	default:
		return app.Permanent(cause)
	}
}

// isFinal reports whether the server has refused this mail for good. What it says before it hears of a recipient concerns the
// service and its settings, and so do the codes about logging in (RFC 4954, 6): when those are put right, the mail can be sent.
func (f *failure) isFinal() bool {
	const permanent = 5
	answer, ok := errors.AsType[*textproto.Error](f.err)
	if !ok || answer.Code/100 != permanent || f.step != recipient && f.step != content {
		return false
	}
	switch answer.Code {
	case 530, 534, 535, 538:
		return false
	}
	return true
}

// withoutAddresses makes what a server said short and of one line, and has "…" for each word with an @.
func withoutAddresses(text string) string {
	const most = 300
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "…"))
	words := strings.Fields(text)
	for i, word := range words {
		if strings.Contains(word, "@") {
			words[i] = "…"
		}
	}
	text = strings.Join(words, " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
