// Package mailer sends mail through an SMTP server.
//
// [Module] provides [app.Mailer]. With a server (config.Mail.Host) it is an [SMTP]; without one it is a [Printer] in development, and an
// error in production. That error, like the whole mailer, only comes about when somebody asks for an app.Mailer.
//
// A mail goes over a connection of its own, which is closed before Send returns. There is nothing to start but the reading
// of a file of authorities, and nothing to stop. docs/adr/0035-mail.md says why it is made of net/smtp.
package mailer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/telemetry"
)

// Module provides [app.Mailer]. It needs config.App, config.Mail, an [app.Clock], a logger and a prometheus.Registerer; a
// trace.TracerProvider is optional.
var Module = fx.Module("mailer", fx.Provide(provide))

type inputs struct {
	fx.In

	App        config.App
	Mail       config.Mail
	Clock      app.Clock
	Logger     *zap.Logger
	Registerer prometheus.Registerer
	Tracing    trace.TracerProvider `optional:"true"`
	Lifecycle  fx.Lifecycle
}

func provide(in inputs) (app.Mailer, error) {
	switch {
	case in.Mail.Host != "":
		m, err := NewSMTP(in.Mail, in.Clock, in.Logger, in.Registerer)
		if err != nil {
			return nil, err
		}
		m.Trace(in.Tracing)
		in.Lifecycle.Append(fx.StartHook(m.Start))
		return m, nil
	case in.App.Env == "production":
		return nil, errors.New("a plugin sends mail (app.Mailer), and no server takes it: in production set APP_MAIL_HOST and APP_MAIL_FROM")
	default:
		return NewPrinter(in.Clock, in.Logger), nil
	}
}

// SMTP sends mail through an SMTP server. It is safe for concurrent use. Make it with [NewSMTP].
type SMTP struct {
	server  server
	from    *mail.Address
	timeout time.Duration
	clock   app.Clock
	logger  *zap.Logger
	seconds *prometheus.HistogramVec
	tracer  trace.Tracer // nil: no spans
}

// NewSMTP returns a mailer with the settings cfg, whose host must be set. Its metrics are in registry, which may be nil.
func NewSMTP(cfg config.Mail, clock app.Clock, logger *zap.Logger, registry prometheus.Registerer) (*SMTP, error) {
	from, err := mail.ParseAddress(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("read the sender's address: %w", err)
	}
	m := &SMTP{from: from, timeout: cfg.Timeout, clock: clock, logger: logger, seconds: newSeconds()}
	m.server = newServer(cfg, domainOf(from))
	if registry != nil {
		if err := registry.Register(m.seconds); err != nil {
			return nil, fmt.Errorf("register metrics of the mailer: %w", err)
		}
	}
	return m, nil
}

// Trace gives each mail a span of provider, if its sender has a recorded span. Call it before the first Send. Without this call,
// or with a provider that records nothing, there are no spans.
func (m *SMTP) Trace(provider trace.TracerProvider) {
	m.tracer = telemetry.Tracer(provider, "plugboard/infra/mailer")
}

// Start reads the file of authorities, where the settings name one. It must return before the first Send.
func (m *SMTP) Start(context.Context) error { return m.server.readCA() }

// Send implements [app.Mailer]. It needs no more time than the settings allow, whatever the server does.
func (m *SMTP) Send(ctx context.Context, mail app.Mail) error {
	l, err := newLetter(ctx, mail, m.from, m.clock.Now())
	if err != nil {
		return err
	}
	end := m.measure(ctx)
	err = m.send(ctx, l)
	end(err)
	if err == nil {
		app.Logger(ctx, m.logger).Info("mail sent", zap.String("plugin", app.PluginName(ctx)), zap.String("message_id", l.id))
	}
	return err
}

func (m *SMTP) send(ctx context.Context, l *letter) error {
	limited, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	f := m.server.deliver(limited, l)
	switch {
	case f == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("send mail: %s: %w", f.step, ctx.Err())
	case limited.Err() != nil:
		f.err = fmt.Errorf("it took more than %s (APP_MAIL_TIMEOUT)", m.timeout)
	}
	return f.forCaller()
}

// Printer prints mail to the log, whole, and sends nothing. It is for development. It is safe for concurrent use.
type Printer struct {
	clock  app.Clock
	logger *zap.Logger
}

// NewPrinter returns a mailer that prints to logger.
func NewPrinter(clock app.Clock, logger *zap.Logger) *Printer {
	return &Printer{clock: clock, logger: logger}
}

// Send implements [app.Mailer].
func (p *Printer) Send(ctx context.Context, m app.Mail) error {
	l, err := newLetter(ctx, m, &mail.Address{Address: "service@localhost"}, p.clock.Now())
	if err != nil {
		return err
	}
	fields := []zap.Field{
		zap.String("plugin", app.PluginName(ctx)), zap.String("message_id", l.id),
		zap.Strings("to", m.To), zap.String("subject", m.Subject), zap.String("text", m.Text),
	}
	if m.HTML != "" {
		fields = append(fields, zap.String("html", m.HTML))
	}
	for _, a := range m.Attachments {
		fields = append(fields, zap.String("attachment", fmt.Sprintf("%s, %d bytes", a.Name, len(a.Content))))
	}
	app.Logger(ctx, p.logger).Info("mail, printed and not sent: APP_MAIL_HOST is not set", fields...)
	return nil
}

// letter is a mail that is ready to be sent.
type letter struct {
	app.Mail

	from    *mail.Address
	to      []*mail.Address
	replyTo *mail.Address // nil: the sender
	id      string        // of the message, in angle brackets
	date    time.Time
}

// newLetter checks m, and that it can be sent from ctx.
func newLetter(ctx context.Context, m app.Mail, from *mail.Address, now time.Time) (*letter, error) {
	if err := RefuseTx(ctx); err != nil {
		return nil, err
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	l := &letter{Mail: m, from: from, date: now}
	for _, text := range m.To {
		to, err := mail.ParseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("send mail: %w", err)
		}
		l.to = append(l.to, to)
	}
	if m.ReplyTo != "" {
		var err error
		if l.replyTo, err = mail.ParseAddress(m.ReplyTo); err != nil {
			return nil, fmt.Errorf("send mail: %w", err)
		}
	}
	l.id = messageID(app.MailKey(ctx, m), l.to, domainOf(from))
	return l, nil
}

// RefuseTx returns an error where [database.InTransaction] reports true.
func RefuseTx(ctx context.Context) error {
	if database.InTransaction(ctx) {
		return errors.New("send mail: not inside a transaction; publish an event in it, and send the mail from an app.On subscriber of that event")
	}
	return nil
}

// messageID makes the id of a message. The same key and recipients give the same id, from which the key cannot be read; without a
// key it is a new one.
func messageID(key string, to []*mail.Address, domain string) string {
	const length = 16
	hash := sha256.New()
	if key == "" {
		key = uuid.NewString()
	}
	write := func(s string) { fmt.Fprintf(hash, "%d:%s", len(s), s) }
	write(key)
	for _, a := range to {
		write(strings.ToLower(a.Address))
	}
	return "<" + hex.EncodeToString(hash.Sum(nil)[:length]) + "@" + domain + ">"
}

func domainOf(a *mail.Address) string {
	_, domain, _ := strings.Cut(a.Address, "@")
	return domain
}
