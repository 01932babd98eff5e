package app

import (
	"context"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mailer sends mail. Plugins get one from Fx. It is safe for concurrent use.
//
// The settings say where mail goes: through the SMTP server APP_MAIL_HOST, from the address APP_MAIL_FROM. In development,
// without a server, mail is printed to the log. In production a plugin that asks for a Mailer then keeps the service from
// starting. In a test, apptest.Mail catches what is sent.
type Mailer interface {
	// Send hands m over to the mail server, and returns when that has accepted it for all recipients. It returns an error
	// when nobody gets the mail, but for one case: when the connection is lost at the very end, nobody knows whether the server has
	// accepted it. So mail arrives at least once; [Mail] says how a mail that is sent again is recognised.
	//
	// The errors are of these kinds:
	//
	//   - [Unavailable]: the server cannot be reached, does not take the service's settings, or says that it cannot take the mail
	//     now. The same mail may be sent later.
	//   - [IsPermanent] reports true: the mail is not valid, as [Mail.Check] says ([Invalid], or [TooLarge]), or the server refuses a
	//     recipient ([Invalid]) or the content for good. No retry can mend that. Their text names no address.
	//   - An error of ctx, if that ended first.
	//
	// A subscriber returns the error as it is: a delivery that failed with a permanent one is dead at once, any other is tried again.
	//
	// Inside a transaction Send returns an error and sends nothing: a transaction that is rolled back does not call a mail back, and
	// one that waits for a mail server keeps others from the database. Publish an event in the transaction, and send from an
	// [On] subscriber of that event.
	Send(ctx context.Context, m Mail) error
}

// Bounds of a [Mail].
const (
	// MaxMailRecipients is the most recipients of a mail.
	MaxMailRecipients = 100
	// MaxMailSubject is the most bytes of a subject.
	MaxMailSubject = 500
	// MaxMailAttachments is the most attachments of a mail.
	MaxMailAttachments = 50
	// MaxMailBytes is the most bytes of text, HTML and attachments together. What is sent is larger by a third or so.
	MaxMailBytes = 10 << 20
)

// Mail is one mail for a [Mailer]. The sender is a setting. The zero values of ReplyTo, HTML or Text, Attachments and Key are
// left out or have the defaults below.
type Mail struct {
	// To are the recipients, each as "ada@example.org" or "Ada Lovelace <ada@example.org>". All of them see each other: send a
	// mail to each when they should not. If the server refuses one of them, no one gets the mail.
	To []string
	// ReplyTo is the address that answers go to; "" is the sender's.
	ReplyTo string
	// Subject is one line of plain text.
	Subject string
	// Text is the content as plain text.
	Text string
	// HTML is the content as a page. Beside a Text, which the programs that show no HTML need, it is its alternative. Escape what
	// comes from users: package html/template does.
	HTML string
	// Attachments are files that go with the mail.
	Attachments []Attachment
	// Key makes the mail one and the same, however often it is sent: mails with one key to the same recipients have one
	// Message-ID, by which most mailboxes recognise the repetition. "order-42-shipped" is a good one: it is not used for any other
	// mail of the service. By default, in a subscriber, it is made of the event's id, the subscription and the subject,
	// so that the attempts of a delivery send one mail; elsewhere each Send sends a new one.
	Key string
}

// Attachment is a file that goes with a [Mail].
type Attachment struct {
	// Name is the name of the file, without a folder.
	Name string
	// ContentType is its media type, such as "application/pdf"; "" is "application/octet-stream".
	ContentType string
	// Content is what is in the file. It must not be changed while the mail is being sent.
	Content []byte
}

// Check returns the error that Send would return for m before it asks any server, or nil. The error is permanent, and says
// which field is wrong, without what is in it. Whether the recipients exist, Check does not know.
func (m Mail) Check() error {
	if len(m.To) == 0 {
		return wrongMail("To has no recipient")
	}
	if len(m.To) > MaxMailRecipients {
		return wrongMail("To has %d recipients; %d are allowed", len(m.To), MaxMailRecipients)
	}
	for i, to := range m.To {
		if problem := checkAddress(to); problem != "" {
			return wrongMail("To[%d] %s", i, problem)
		}
	}
	if m.ReplyTo != "" {
		if problem := checkAddress(m.ReplyTo); problem != "" {
			return wrongMail("ReplyTo %s", problem)
		}
	}
	return m.checkContent()
}

func (m Mail) checkContent() error {
	if problem := checkLine(m.Subject, MaxMailSubject); problem != "" {
		return wrongMail("Subject %s", problem)
	}
	if m.Text == "" && m.HTML == "" {
		return wrongMail("Text and HTML are empty")
	}
	if !isText(m.Text) {
		return wrongMail("Text must be UTF-8 without NUL")
	}
	if !isText(m.HTML) {
		return wrongMail("HTML must be UTF-8 without NUL")
	}
	if len(m.Attachments) > MaxMailAttachments {
		return wrongMail("Attachments has %d files; %d are allowed", len(m.Attachments), MaxMailAttachments)
	}
	size := len(m.Text) + len(m.HTML)
	for i, a := range m.Attachments {
		if problem := a.check(); problem != "" {
			return wrongMail("Attachments[%d].%s", i, problem)
		}
		size += len(a.Content)
	}
	if size > MaxMailBytes {
		return Permanent(Errorf(TooLarge, "mail: the content has %d bytes; %d are allowed", size, MaxMailBytes))
	}
	return nil
}

func (a Attachment) check() string {
	const most = 150 // encoded for a header it is three times as long, and a line has 998
	if problem := checkLine(a.Name, most); problem != "" {
		return "Name " + problem
	}
	if strings.ContainsAny(a.Name, `/\`) {
		return "Name must be the name of a file, without a folder"
	}
	if a.ContentType == "" {
		return ""
	}
	kind, _, err := mime.ParseMediaType(a.ContentType)
	whole := strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "message/") // which must not be encoded
	if err != nil || !strings.Contains(kind, "/") || whole || checkLine(a.ContentType, most) != "" {
		return "ContentType must be the media type of a file, such as application/pdf"
	}
	return ""
}

func isText(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// checkLine says what is wrong with a text that a header gets: whoever ends the line writes the next header.
func checkLine(text string, most int) string {
	switch {
	case text == "":
		return "is empty"
	case len(text) > most:
		return fmt.Sprintf("has %d bytes; %d are allowed", len(text), most)
	case !utf8.ValidString(text):
		return "must be UTF-8"
	case strings.ContainsFunc(text, breaksLine):
		return "must be one line, without control characters"
	}
	return ""
}

func breaksLine(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }

// checkAddress says what is wrong with an address. It takes less than the standard does: an address goes into a command
// of SMTP, where a quoted local part could end it.
func checkAddress(text string) string {
	const most, mostLocal, mostAll = 320, 64, 254 // RFC 5321, 4.5.3.1
	if problem := checkLine(text, most); problem != "" {
		return problem
	}
	a, err := mail.ParseAddress(text)
	if err != nil || strings.ContainsFunc(a.Name, breaksLine) || !utf8.ValidString(a.Name) { // encoded words have been decoded
		return "must be an address, such as ada@example.org or Ada Lovelace <ada@example.org>"
	}
	local, domain, _ := strings.Cut(a.Address, "@")
	switch {
	case strings.ContainsFunc(a.Address, func(r rune) bool { return r > unicode.MaxASCII }):
		return "must be an address of ASCII characters; the domain's form of these begins with xn--"
	case len(local) > mostLocal, len(a.Address) > mostAll, strings.ContainsFunc(local, notInLocal), strings.ContainsFunc(domain, notInDomain):
		return "must be an address without quotes, such as ada@example.org"
	}
	return ""
}

func notInLocal(r rune) bool {
	return !isAlphanumeric(r) && !strings.ContainsRune(".!#$%&'*+-/=?^_`{|}~", r)
}

func notInDomain(r rune) bool { return !isAlphanumeric(r) && r != '.' && r != '-' }

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func wrongMail(format string, args ...any) error {
	return Permanent(Errorf(Invalid, "mail: "+format, args...))
}
