package mailer_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/config"
)

func newBase64(r io.Reader) io.Reader { return base64.NewDecoder(base64.StdEncoding, r) }

func TestAMailArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	p := serve(t, false, nil)
	text := "Grüße aus Zürich 🌄\n.\n..dots\n. \nQUIT\nFrom here\n" + strings.Repeat("lang ", 500) + "\nend"
	page := "<p>" + strings.Repeat("ä", 3000) + "</p>"
	binary := make([]byte, 5000)
	for i := range binary {
		binary[i] = byte(i)
	}
	subject := "Ihre Bestellung № 42: " + strings.Repeat("Überraschung ", 20) + strings.Repeat("🌄", 30)
	require.NoError(t, send(t, p.cfg, app.Mail{
		To:      []string{"ada@example.org", `"Lovelace, Ädä" <ada.l@example.net>`, "=?utf-8?q?J=C3=B6rg?= <j@example.net>"},
		ReplyTo: "Hilfe <help@example.org>", Subject: subject, Text: text, HTML: page,
		Attachments: []app.Attachment{
			{Name: "Rechnung für März.pdf", ContentType: "application/pdf", Content: binary},
			{Name: "empty"},
			{Name: `a "b".csv`, ContentType: "text/csv; header=present; name=\"ümläut\"", Content: []byte("a,b\n.\n")},
		},
	}))
	got := p.only(t)
	require.Equal(t, "shop@example.org", got.from)
	require.Equal(t, []string{"ada@example.org", "ada.l@example.net", "j@example.net"}, got.to)

	header, parts := open(t, got.data)
	to, err := header.AddressList("To")
	require.NoError(t, err)
	require.Equal(t, []*mail.Address{{Address: "ada@example.org"}, {Name: "Lovelace, Ädä", Address: "ada.l@example.net"}, {Name: "Jörg", Address: "j@example.net"}}, to)
	from, err := header.AddressList("From")
	require.NoError(t, err)
	require.Equal(t, []*mail.Address{{Name: "Our Shop", Address: "shop@example.org"}}, from)
	require.Equal(t, `"Hilfe" <help@example.org>`, header.Get("Reply-To"))
	require.Equal(t, subject, decoded(t, header.Get("Subject")))
	words := regexp.MustCompile(`=\?utf-8\?b\?([^?]+)\?=`).FindAllSubmatch(got.data, -1)
	require.Greater(t, len(words), 8)
	for _, word := range words { // some programs decode each by itself
		text, err := base64.StdEncoding.DecodeString(string(word[1]))
		require.NoError(t, err)
		require.True(t, utf8.Valid(text), "a character is divided: %q", text)
		require.LessOrEqual(t, len(word[0]), 75)
	}
	require.Equal(t, "auto-generated", header.Get("Auto-Submitted"))
	date, err := header.Date()
	require.NoError(t, err)
	require.True(t, noon.Equal(date))
	require.Equal(t, []leaf{
		{kind: "multipart/mixed multipart/alternative text/plain", content: strings.ReplaceAll(text, "\n", "\r\n")},
		{kind: "multipart/mixed multipart/alternative text/html", content: page},
		{kind: "multipart/mixed application/pdf", disposition: "attachment", name: "Rechnung für März.pdf", content: string(binary)},
		{kind: "multipart/mixed application/octet-stream", disposition: "attachment", name: "empty"},
		{kind: "multipart/mixed text/csv", disposition: "attachment", name: `a "b".csv`, content: "a,b\n.\n"},
	}, parts)
}

func TestAMailOfOnePart(t *testing.T) {
	t.Parallel()
	p := serve(t, false, nil)
	m := newMailer(t, p.cfg)
	require.NoError(t, m.Send(t.Context(), hello()))
	require.NoError(t, m.Send(t.Context(), app.Mail{To: []string{"a@b"}, Subject: "=?utf-8?q?x?=", HTML: "<p>\r\n.</p>"}))
	require.Len(t, p.got(), 2)
	header, parts := open(t, p.got()[0].data)
	require.Equal(t, "Hello", header.Get("Subject"))
	require.Equal(t, []leaf{{kind: "text/plain", content: "Good morning."}}, trimmed(parts))
	header, parts = open(t, p.got()[1].data)
	require.Equal(t, "=?utf-8?q?x?=", decoded(t, header.Get("Subject")), "a subject is not read twice")
	require.Equal(t, []leaf{{kind: "text/html", content: "<p>\r\n.</p>"}}, trimmed(parts))
}

// trimmed removes the end of the last line, which SMTP adds.
func trimmed(parts []leaf) []leaf {
	for i := range parts {
		parts[i].content = strings.TrimSuffix(parts[i].content, "\r\n")
	}
	return parts
}

func TestALargeMail(t *testing.T) {
	t.Parallel()
	p := serve(t, false, nil)
	m := hello()
	m.Text, m.Attachments = "-", []app.Attachment{{Name: "a", Content: make([]byte, app.MaxMailBytes-1)}}
	require.NoError(t, send(t, p.cfg, m))
	_, parts := open(t, p.only(t).data)
	require.Equal(t, app.MaxMailBytes-1, len(parts[1].content)) //nolint:testifylint // ten megabytes are not to be printed
}

func TestWaysToEncryptAndLogIn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		implicit   bool
		mechanisms []string
	}{
		"STARTTLS, PLAIN":     {false, []string{"LOGIN", "PLAIN"}},
		"STARTTLS, LOGIN":     {false, []string{"SCRAM-SHA-256", "LOGIN"}},
		"implicit TLS, PLAIN": {true, []string{"PLAIN"}},
		"implicit TLS, LOGIN": {true, []string{"LOGIN"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, tt.implicit, func(p *post) { p.mechanisms = tt.mechanisms })
			p.cfg.User, p.cfg.Password = "shop", "hunter2"
			require.NoError(t, send(t, p.cfg, hello()))
			require.Equal(t, "shop", p.only(t).user)
		})
	}
}

func TestWithoutEncryption(t *testing.T) {
	t.Parallel()
	p := serve(t, false, func(p *post) {
		p.TLSConfig, p.AllowInsecureAuth, p.mechanisms = nil, true, []string{"PLAIN"}
		p.cfg.TLS, p.cfg.User, p.cfg.Password = "off", "shop", "hunter2"
	})
	require.NoError(t, send(t, p.cfg, hello()))
	require.Equal(t, "shop", p.only(t).user)
}

// requireLater checks that err is one after which the same mail may be sent again, and that it says so to callers in these words alone.
func requireLater(t *testing.T, err error, cause string) {
	t.Helper()
	require.Equal(t, app.Unavailable, app.CodeOf(err), "%v", err)
	require.False(t, app.IsPermanent(err))
	var e *app.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "mail cannot be sent now, try again later", e.Message)
	require.Contains(t, e.Unwrap().Error(), cause)
	require.NotContains(t, err.Error(), "hunter2")
	require.NotContains(t, err.Error(), "@")
}

func TestWhatConcernsTheSettingsCanBePutRight(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*post)
		cause  string
	}{
		"no STARTTLS":        {func(p *post) { p.TLSConfig = nil }, "send mail: encrypt the connection: the server does not offer STARTTLS (APP_MAIL_TLS)"},
		"unknown authority":  {func(p *post) { p.cfg.CA = "" }, "send mail: encrypt the connection: tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		"another's name":     {func(p *post) { p.cfg.Host = "localhost" }, "certificate is not valid for any names, but wanted to match localhost"},
		"wrong password":     {func(p *post) { p.mechanisms, p.cfg.Password = []string{"PLAIN"}, "hunter3" }, "send mail: log in: 535 5.7.8 Authentication failed"},
		"wrong password too": {func(p *post) { p.mechanisms, p.cfg.Password = []string{"LOGIN"}, "hunter3" }, "send mail: log in: 535 5.7.8 Authentication failed"},
		"no AUTH":            {func(p *post) {}, "send mail: log in: the server offers neither AUTH PLAIN nor AUTH LOGIN"},
		"no AUTH we know":    {func(p *post) { p.mechanisms = []string{"XOAUTH2"} }, "send mail: log in: the server offers neither AUTH PLAIN nor AUTH LOGIN"},
		"nobody listens":     {func(p *post) { p.cfg.Port = 1 }, "send mail: connect to the server: dial tcp 127.0.0.1:1: connect: connection refused"},
		"speaks TLS at once": {func(p *post) { p.cfg.TLS = "implicit" }, "send mail: greet the server: tls: first record does not look like a TLS handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, false, func(p *post) {
				p.cfg.User, p.cfg.Password = "shop", "hunter2"
				tt.change(p)
			})
			requireLater(t, send(t, p.cfg, hello()), tt.cause)
			require.Empty(t, p.got())
		})
	}
}

// answers says what a server answers to one step.
func answers(step string, code int, text string) func(*post) {
	return func(p *post) {
		p.refuse = func(s string) error {
			if !strings.HasPrefix(s, step) {
				return nil
			}
			return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
		}
	}
}

func TestWhatAServerRefusesForNow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*post)
		cause  string
	}{
		"greylisted":        {answers("RCPT", 450, "try later, <ada@example.org>"), "send mail: name a recipient: 450 4.1.1 try later, …"},
		"content, later":    {answers("DATA", 451, "busy"), "send mail: send the content: 451 4.1.1 busy"},
		"sender, for good":  {answers("MAIL", 553, "shop@example.org is not yours"), "send mail: name the sender: 553 5.1.1 … is not yours"},
		"needs a log-in":    {answers("RCPT", 530, "log in first"), "send mail: name a recipient: 530 5.1.1 log in first"},
		"a talkative reply": {answers("DATA", 421, strings.Repeat("busy", 400)), "421 4.1.1 busybusy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, false, tt.change)
			err := send(t, p.cfg, hello())
			requireLater(t, err, tt.cause)
			require.Less(t, len(err.Error()), 500)
			require.Empty(t, p.got())
		})
	}
}

// A mailbox that does not exist does not come into being by asking again: the delivery is dead at once.
func TestWhatAServerRefusesForGood(t *testing.T) {
	t.Parallel()
	m := hello()
	m.To = append(m.To, "gone@example.org", "cleo@example.org")
	p := serve(t, false, answers("RCPT gone@", 550, "gone@example.org: no such user"))
	err := send(t, p.cfg, m)
	require.True(t, app.IsPermanent(err))
	require.Equal(t, app.Invalid, app.CodeOf(err))
	require.EqualError(t, err, "the mail server refuses a recipient: send mail: name a recipient: 550 5.1.1 … no such user")
	require.Empty(t, p.got(), "nobody gets a mail that one is refused")

	p = serve(t, false, answers("DATA", 554, "this is spam"))
	err = send(t, p.cfg, m)
	require.True(t, app.IsPermanent(err))
	require.Equal(t, app.Internal, app.CodeOf(err))
	require.EqualError(t, err, "send mail: send the content: 554 5.1.1 this is spam")
	require.Empty(t, p.got())
}

// say writes lines to the client, and after each but the last reads one.
func say(conn net.Conn, lines ...string) {
	r := bufio.NewReader(conn)
	for i, line := range lines {
		if i > 0 {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
		_, _ = io.WriteString(conn, line+"\r\n")
	}
}

func TestHostileServers(t *testing.T) {
	t.Parallel()
	wait := func(ctx context.Context, _ net.Conn) { <-ctx.Done() }
	greeted := func(then func(context.Context, net.Conn)) func(context.Context, net.Conn) {
		return func(ctx context.Context, conn net.Conn) {
			say(conn, "220 hi", "250 hi", "250 ok", "250 ok", "354 go on")
			then(ctx, conn)
		}
	}
	for name, tt := range map[string]struct {
		play  func(ctx context.Context, conn net.Conn)
		cause string
	}{
		"hangs at once": {wait, "send mail: greet the server: it took more than 300ms (APP_MAIL_TIMEOUT)"},
		"hangs at last": {greeted(wait), "send mail: send the content: it took more than 300ms (APP_MAIL_TIMEOUT)"},
		"trickles": {func(ctx context.Context, conn net.Conn) {
			for app.Sleep(ctx, 10*time.Millisecond) {
				if _, err := io.WriteString(conn, "2"); err != nil {
					return
				}
			}
		}, "send mail: greet the server: it took more than 300ms (APP_MAIL_TIMEOUT)"},
		"closes at once": {func(context.Context, net.Conn) {}, "send mail: greet the server: "},
		"closes at last": {greeted(func(context.Context, net.Conn) {}), "send mail: send the content: "},
		"a line without an end": {func(_ context.Context, conn net.Conn) {
			_, _ = io.Copy(conn, io.LimitReader(forever{}, 64<<20))
		}, "send mail: greet the server: the server has sent more than 262144 bytes"},
		"an answer without an end": {func(_ context.Context, conn net.Conn) {
			for {
				if _, err := io.WriteString(conn, "220-more\r\n"); err != nil {
					return
				}
			}
		}, "send mail: greet the server: the server has sent more than 262144 bytes"},
		"no SMTP":      {func(_ context.Context, conn net.Conn) { say(conn, "HTTP/1.1 400 Bad Request ada@example.org") }, "send mail: greet the server: "},
		"goes away":    {func(_ context.Context, conn net.Conn) { say(conn, "421 going down") }, "send mail: greet the server: 421 going down"},
		"refuses all":  {func(_ context.Context, conn net.Conn) { say(conn, "554 no") }, "send mail: greet the server: 554 no"},
		"no 250 later": {func(_ context.Context, conn net.Conn) { say(conn, "220 hi", "250 hi", "999 what") }, "send mail: name the sender: 999 what"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := script(t, tt.play)
			cfg.Timeout = 300 * time.Millisecond
			if strings.HasPrefix(tt.cause, "send mail: greet the server: the server has") {
				cfg.Timeout = 20 * time.Second
			}
			requireLater(t, send(t, cfg, hello()), tt.cause)
		})
	}
}

type forever struct{}

func (forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '2'
	}
	return len(p), nil
}

// The password went to whoever answered, before TLS, was it not for this.
func TestNoPasswordBeforeEncryption(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 1)
	cfg := script(t, func(_ context.Context, conn net.Conn) {
		_, _ = io.WriteString(conn, "220 hi\r\n")
		r := bufio.NewReader(conn)
		_, _ = r.ReadString('\n')
		_, _ = io.WriteString(conn, "250-hi\r\n250 AUTH PLAIN\r\n")
		rest, _ := io.ReadAll(r)
		heard <- string(rest)
	})
	cfg.TLS, cfg.User, cfg.Password = "starttls", "shop", "hunter2"
	requireLater(t, send(t, cfg, hello()), "the server does not offer STARTTLS")
	require.Empty(t, <-heard)
}

// What was sent in clear text behind the answer to STARTTLS was believed after it by many clients.
func TestNothingFromBeforeTheEncryptionIsBelieved(t *testing.T) {
	t.Parallel()
	cfg := script(t, func(_ context.Context, conn net.Conn) {
		say(conn, "220 hi", "250-hi\r\n250 STARTTLS", "220 go on\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 ok")
		_, _ = io.Copy(io.Discard, conn)
	})
	cfg.TLS, cfg.Timeout = "starttls", 300*time.Millisecond
	requireLater(t, send(t, cfg, hello()), "send mail: encrypt the connection: ")
}

// The mail is the server's when it has said so; what follows is manners.
func TestAMailThatWasAcceptedIsSent(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(context.Context, net.Conn){
		"closes": func(context.Context, net.Conn) {},
		"hangs":  func(ctx context.Context, _ net.Conn) { <-ctx.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := script(t, func(ctx context.Context, conn net.Conn) {
				r := bufio.NewReader(conn)
				_, _ = io.WriteString(conn, "220 hi\r\n")
				for _, answer := range []string{"250 hi", "250 ok", "250 ok", "354 go on"} {
					_, _ = r.ReadString('\n')
					_, _ = io.WriteString(conn, answer+"\r\n")
				}
				for line := ""; line != ".\r\n"; {
					line, _ = r.ReadString('\n')
				}
				_, _ = io.WriteString(conn, "250 it is mine\r\n")
				after(ctx, conn)
			})
			require.NoError(t, send(t, cfg, hello()))
		})
	}
}

func TestTheContextEndsTheDialogue(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cfg := script(t, func(ctx context.Context, _ net.Conn) {
		cancel()
		<-ctx.Done()
	})
	err := newMailer(t, cfg).Send(ctx, hello())
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, app.IsPermanent(err))

	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	cfg = script(t, func(ctx context.Context, _ net.Conn) { <-ctx.Done() })
	require.ErrorIs(t, newMailer(t, cfg).Send(ctx, hello()), context.DeadlineExceeded)
}

func TestTheFileOfAuthorities(t *testing.T) {
	t.Parallel()
	p := serve(t, false, nil)
	for file, want := range map[string]string{
		filepath.Join(t.TempDir(), "none.pem"): "read APP_MAIL_CA: open ",
		os.Args[0]:                             "has no certificate in PEM",
	} {
		cfg := p.cfg
		cfg.CA = file
		require.ErrorContains(t, start(cfg), want)
	}
}

func start(cfg config.Mail) error {
	m, err := newSMTP(cfg)
	if err != nil {
		return fmt.Errorf("new: %w", err)
	}
	return m.Start(context.Background())
}
