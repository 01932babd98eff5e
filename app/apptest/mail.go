package apptest

import (
	"context"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/mailer"
)

// Mails is an [app.Mailer] that keeps what is sent, and sends nothing. It is a part for [New], made with [Mail], and the mailer of
// plugins made by hand. It refuses what the service's mailer refuses: a mail that is not valid, and one sent inside a transaction.
// It is safe for concurrent use.
type Mails struct {
	fx.Option
	mu   sync.Mutex
	sent []app.Mail
	err  error
}

// Mail returns a part that catches the mail of the plugins, and has caught none yet. A mail that an event leads to has been
// caught when [App.WaitForEvents] returns.
func Mail() *Mails {
	s := &Mails{}
	s.Option = fx.Decorate(func(app.Mailer) app.Mailer { return s }) // for rules.With
	return s
}

// Fail has every later valid mail fail with err; nil has them succeed again.
func (s *Mails) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Send implements [app.Mailer].
func (s *Mails) Send(ctx context.Context, m app.Mail) error {
	if err := mailer.RefuseTx(ctx); err != nil {
		return err
	}
	if err := m.Check(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.To, m.Attachments = slices.Clone(m.To), slices.Clone(m.Attachments)
	m.Key = app.MailKey(ctx, m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.sent = append(s.sent, m)
	return nil
}

// Sent returns the mails so far, in order. Their Key is the one that the Message-ID would be made of, by default too: two mails with one key
// and the same recipients are the same mail, sent again.
func (s *Mails) Sent() []app.Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// To returns the mails so far that have this address, without a name, among their recipients.
func (s *Mails) To(address string) []app.Mail {
	return slices.DeleteFunc(s.Sent(), func(m app.Mail) bool {
		return !slices.ContainsFunc(m.To, func(to string) bool {
			a, err := mail.ParseAddress(to)
			return err == nil && strings.EqualFold(a.Address, address)
		})
	})
}

// Only returns the one mail that was sent, and fails the test when there is none, or more.
func (s *Mails) Only(t testing.TB) app.Mail {
	t.Helper()
	sent := s.Sent()
	if len(sent) != 1 {
		var subjects []string
		for _, m := range sent {
			subjects = append(subjects, m.Subject+" to "+strings.Join(m.To, ", "))
		}
		t.Fatalf("%d mails were sent, want 1: %q", len(sent), subjects)
	}
	return sent[0]
}
