package mailer_test

import (
	"context"
	"fmt"
	"mime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/mailer"
)

func newSMTP(cfg config.Mail) (*mailer.SMTP, error) {
	return mailer.NewSMTP(cfg, clock{}, zap.NewNop(), nil)
}

func decoded(t testing.TB, field string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(field)
	require.NoError(t, err)
	return text
}

// messageIDs sends mails and returns the ids with which they arrived.
func messageIDs(t *testing.T, ctx context.Context, mails ...app.Mail) []string { //nolint:revive // it is t's
	t.Helper()
	p := serve(t, false, nil)
	sender := newMailer(t, p.cfg)
	var ids []string
	for _, m := range mails {
		require.NoError(t, sender.Send(ctx, m))
	}
	for _, got := range p.got() {
		header, _ := open(t, got.data)
		ids = append(ids, header.Get("Message-ID"))
		require.Regexp(t, `^<[0-9a-f]{32}@example\.org>$`, ids[len(ids)-1])
	}
	return ids
}

type delivery app.Delivery

func (d delivery) Delivery() app.Delivery         { return app.Delivery(d) }
func (d delivery) Complete(context.Context) error { return nil }
func (d delivery) NewCall() *app.Call             { return &app.Call{Plugin: "orders.confirm"} }

// A delivery that is tried again sends the mail it has sent already, and the mailbox can see that. Two mails of one delivery are two.
func TestARepeatedMailKeepsItsID(t *testing.T) {
	t.Parallel()
	first := app.WithDelivery(t.Context(), delivery{EventID: "0199", Subscription: "orders.confirm/order.placed", Attempt: 1})
	again := app.WithDelivery(t.Context(), delivery{EventID: "0199", Subscription: "orders.confirm/order.placed", Attempt: 2})
	other := app.WithDelivery(t.Context(), delivery{EventID: "0199", Subscription: "orders.notify/order.placed"})
	m, another, copied := hello(), hello(), hello()
	another.Subject, copied.To = "Something else", []string{"bob@example.org"}

	ids := messageIDs(t, first, m, m, another, copied)
	require.Equal(t, ids[0], ids[1])
	require.NotEqual(t, ids[0], ids[2], "another mail of the delivery")
	require.NotEqual(t, ids[0], ids[3], "another recipient's")
	m.Text = "Good morning, at another time."
	require.Equal(t, ids[:1], messageIDs(t, again, m))
	require.NotEqual(t, ids[:1], messageIDs(t, other, m), "another subscriber's")

	m.Key, another.Key, copied.Key = "order-42", "order-42", "order-42"
	ids = messageIDs(t, t.Context(), m, another, copied)
	require.Equal(t, ids[0], ids[1], "the key says that they are one")
	require.NotEqual(t, ids[0], ids[2])
	require.Equal(t, ids[:1], messageIDs(t, first, m))

	m.Key = ""
	ids = messageIDs(t, t.Context(), m, m)
	require.NotEqual(t, ids[0], ids[1])
}

func TestMetricsAndSpans(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	registry := prometheus.NewRegistry()
	core, logs := observer.New(zap.DebugLevel)
	p := serve(t, false, nil)
	m, err := mailer.NewSMTP(p.cfg, clock{}, zap.New(core), registry)
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context()))
	m.Trace(provider)

	ctx, around := provider.Tracer("test").Start(app.WithCall(t.Context(), &app.Call{Plugin: "shop.greet", RequestID: "r1"}), "around")
	require.NoError(t, m.Send(ctx, hello()))
	for _, code := range []int{450, 550} {
		answers("RCPT", code, "ada@example.org")(p)
		require.Error(t, m.Send(ctx, hello()))
	}
	require.Error(t, m.Send(ctx, app.Mail{}), "which is not measured")
	made := spans.GetSpans()
	require.Len(t, made, 3)
	for i, outcome := range []string{"sent", "failed", "refused"} {
		require.Equal(t, "send mail", made[i].Name)
		require.Equal(t, around.SpanContext().SpanID(), made[i].Parent.SpanID())
		require.Contains(t, fmt.Sprint(made[i].Attributes), outcome)
		require.Equal(t, outcome != "sent", made[i].Status.Code == codes.Error)
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Equal(t, "plugboard_mail_seconds", families[0].GetName())
	require.Len(t, families[0].GetMetric(), 3)

	require.Equal(t, 1, logs.Len(), "errors are returned")
	record := logs.All()[0]
	require.Equal(t, zapcore.InfoLevel, record.Level)
	for _, said := range []string{fmt.Sprint(made), fmt.Sprint(families), fmt.Sprint(record.ContextMap())} {
		require.NotContains(t, said, "ada", "nothing tells of a person")
		require.NotContains(t, said, "Hello")
	}
	header, _ := open(t, p.only(t).data)
	require.Equal(t, map[string]any{"plugin": "shop.greet", "request_id": "r1", "message_id": header.Get("Message-ID")}, record.ContextMap())
}

func TestDevelopmentPrintsMail(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	m := mailer.NewPrinter(clock{}, zap.New(core))
	mail := hello()
	mail.HTML, mail.Key, mail.Attachments = "<p>Good morning.</p>", "k", []app.Attachment{{Name: "a.pdf", Content: []byte("123")}}
	require.NoError(t, m.Send(app.WithCall(t.Context(), &app.Call{Plugin: "shop.greet"}), mail))
	require.Error(t, m.Send(t.Context(), app.Mail{}))
	require.Equal(t, 1, logs.Len())
	record := logs.All()[0]
	require.Equal(t, "mail, printed and not sent: APP_MAIL_HOST is not set", record.Message)
	fields := record.ContextMap()
	require.Regexp(t, `^<[0-9a-f]{32}@localhost>$`, fields["message_id"])
	delete(fields, "message_id")
	require.Equal(t, map[string]any{
		"plugin": "shop.greet", "to": []any{"ada@example.org"}, "subject": "Hello", "text": "Good morning.",
		"html": "<p>Good morning.</p>", "attachment": "a.pdf, 3 bytes",
	}, fields)
}

// graph asks for a mailer of the given settings.
func graph(t *testing.T, env string, change func(*config.Config)) (app.Mailer, error) {
	t.Helper()
	cfg := config.Default()
	cfg.App.Env = env
	change(&cfg)
	var m app.Mailer
	a := fx.New(fx.NopLogger, mailer.Module, fx.Populate(&m), fx.Supply(cfg.App, cfg.Mail, zap.NewNop()), fx.Provide(
		func() (app.Clock, prometheus.Registerer) { return clock{}, prometheus.NewRegistry() },
	))
	if a.Err() != nil {
		return nil, a.Err()
	}
	require.NoError(t, a.Start(t.Context()))
	require.NoError(t, a.Stop(t.Context()))
	return m, nil
}

func TestWhichMailerThereIs(t *testing.T) {
	t.Parallel()
	p := serve(t, false, nil)
	none, server := func(*config.Config) {}, func(c *config.Config) { c.Mail = p.cfg }
	m, err := graph(t, "development", none)
	require.NoError(t, err)
	require.IsType(t, &mailer.Printer{}, m)
	_, err = graph(t, "production", none)
	require.ErrorContains(t, err, "a plugin sends mail (app.Mailer), and no server takes it: in production set APP_MAIL_HOST and APP_MAIL_FROM")
	for _, env := range []string{"development", "production"} {
		m, err = graph(t, env, server)
		require.NoError(t, err)
		require.NoError(t, m.Send(t.Context(), hello()))
	}
	require.Len(t, p.got(), 2)
	_, err = graph(t, "production", func(c *config.Config) { c.Mail = p.cfg; c.Mail.From = "nobody" })
	require.ErrorContains(t, err, "read the sender's address")
}

// Whatever a caller writes into a mail becomes neither a command nor a field of the header.
func FuzzNothingIsInjected(f *testing.F) {
	for _, seed := range [][3]string{
		{"ada@example.org", "Hello", "Text"},
		{"Ada <ada@example.org>", "Hello\r\nBcc: eve@example.org", "\r\n.\r\nMAIL FROM:<eve@example.org>\r\n"},
		{"=?utf-8?q?Ada=0D=0ABcc=3A_eve=40example.org?= <ada@example.org>", "=?utf-8?q?=0D=0ABcc:_eve?=", ".\n"},
		{`"ada> SIZE=1"@example.org`, " x ", "\r"},
		{"ada@example.org, eve@example.org", "\u2028", "a\rb"},
		{"ada@[127.0.0.1]", "ä\x00", "\xff"},
		{"ada@example.org>\r\nRCPT TO:<eve@example.org", "=?", "="},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	p := serve(f, false, func(p *post) { p.TLSConfig, p.cfg.TLS = nil, "off" })
	sender := newMailer(f, p.cfg)
	f.Fuzz(func(t *testing.T, to, subject, text string) {
		m := app.Mail{To: []string{to}, ReplyTo: to, Subject: subject, Text: text, Attachments: []app.Attachment{{Name: subject, Content: []byte(text)}}}
		p.forget()
		err := sender.Send(t.Context(), m)
		if m.Check() != nil {
			require.Equal(t, m.Check(), err)
			require.True(t, app.IsPermanent(err))
			return
		}
		require.NoError(t, err, "%q", m)
		got := p.only(t)
		header, parts := open(t, got.data)
		require.Len(t, got.to, 1)
		require.Len(t, parts, 2)
		require.Equal(t, subject, decoded(t, header.Get("Subject")))
		require.Equal(t, subject, parts[1].name)
		require.Equal(t, text, parts[1].content)
		require.Equal(t, lines(text), lines(parts[0].content))
		for name, fields := range header {
			require.Len(t, fields, 1, name)
			require.Contains(t, " From To Reply-To Subject Date Message-Id Auto-Submitted Mime-Version Content-Type ", " "+name+" ")
		}
		addresses, err := header.AddressList("To")
		require.NoError(t, err)
		require.Len(t, addresses, 1)
		require.Equal(t, got.to[0], addresses[0].Address)
	})
}

// lines returns a text with the ends of its lines all alike.
func lines(text string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
}

func BenchmarkSend(b *testing.B) {
	for _, implicit := range []bool{false, true} {
		b.Run(fmt.Sprintf("implicit=%t", implicit), func(b *testing.B) {
			p := serve(b, implicit, nil)
			m := newMailer(b, p.cfg)
			begin := time.Now()
			for b.Loop() {
				require.NoError(b, m.Send(b.Context(), hello()))
			}
			b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "mails/s")
		})
	}
}
