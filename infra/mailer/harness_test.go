package mailer_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/mailer"
)

// No goroutine outlives its owner's end.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is the time of the tests' clock.
var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

type clock struct{}

func (clock) Now() time.Time { return noon }

// received is a mail as the server got it.
type received struct {
	from string
	to   []string
	user string
	data []byte
}

// post is a real SMTP server, and what it got.
type post struct {
	*smtp.Server

	cfg config.Mail // of a mailer that sends to it

	mu    sync.Mutex
	mails []received
	// refuse returns the answer to a step, "MAIL", "RCPT a@b" or "DATA"; nil accepts all.
	refuse func(step string) error
	// mechanisms are those of AUTH.
	mechanisms []string
}

// serve starts a server with a certificate for 127.0.0.1; implicit has it begin with TLS. The default is STARTTLS and no AUTH.
func serve(t testing.TB, implicit bool, change func(*post)) *post {
	t.Helper()
	certificate, ca := newCertificate(t)
	p := &post{}
	p.Server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{post: p}, nil }))
	p.TLSConfig, p.EnableSMTPUTF8, p.ErrorLog = &tls.Config{Certificates: []tls.Certificate{certificate}}, true, silent{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.cfg = settings(t, l.Addr())
	p.cfg.CA = ca
	if change != nil {
		change(p)
	}
	if implicit {
		p.cfg.TLS = "implicit"
		l = tls.NewListener(l, p.TLSConfig)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.Serve(l)
	}()
	t.Cleanup(func() {
		_ = p.Close()
		_ = l.Close() // Serve may not have begun
		<-ended
	})
	return p
}

// settings are those of a mailer that sends to addr.
func settings(t testing.TB, addr net.Addr) config.Mail {
	t.Helper()
	cfg := config.Default().Mail
	host, port, err := net.SplitHostPort(addr.String())
	require.NoError(t, err)
	cfg.Host, cfg.From = host, "Our Shop <shop@example.org>"
	cfg.Port, err = strconv.Atoi(port)
	require.NoError(t, err)
	return cfg
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

type session struct {
	post *post
	received
}

func (s *session) answer(step string) error {
	if s.post.refuse == nil {
		return nil
	}
	return s.post.refuse(step)
}

func (s *session) Reset()        { s.received = received{user: s.user} }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, options *smtp.MailOptions) error {
	if options.UTF8 {
		return errors.New("a message of ASCII needs no SMTPUTF8")
	}
	s.from = from
	return s.answer("MAIL")
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return s.answer("RCPT " + to)
}

func (s *session) Data(r io.Reader) (err error) {
	if s.data, err = io.ReadAll(r); err != nil {
		return err
	}
	if err := s.answer("DATA"); err != nil {
		return err
	}
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.post.mails = append(s.post.mails, s.received)
	return nil
}

func (s *session) AuthMechanisms() []string { return s.post.mechanisms }

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "shop" || password != "hunter2" {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}
	if mechanism == sasl.Login {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// loginServer is AUTH LOGIN as Outlook's server speaks it.
type loginServer struct {
	check func(user, password string) error
	given []string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		l.given = append(l.given, string(response))
	}
	switch len(l.given) {
	case 0:
		return []byte("Username:"), false, nil
	case 1:
		return []byte("Password:"), false, nil
	default:
		return nil, true, l.check(l.given[0], l.given[1])
	}
}

// got returns the mails so far.
func (p *post) got() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails)
}

// only returns the one mail.
func (p *post) only(t testing.TB) received {
	t.Helper()
	mails := p.got()
	require.Len(t, mails, 1)
	return mails[0]
}

// forget forgets the mails so far.
func (p *post) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = nil
}

// newMailer returns a mailer with the given settings.
func newMailer(t testing.TB, cfg config.Mail) *mailer.SMTP {
	t.Helper()
	m, err := mailer.NewSMTP(cfg, clock{}, zap.NewNop(), nil)
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context()))
	return m
}

// send sends m with the given settings, as a handler would.
func send(t testing.TB, cfg config.Mail, m app.Mail) error {
	t.Helper()
	return newMailer(t, cfg).Send(t.Context(), m)
}

// hello is a small valid mail.
func hello() app.Mail {
	return app.Mail{To: []string{"ada@example.org"}, Subject: "Hello", Text: "Good morning."}
}

// newCertificate returns a certificate for 127.0.0.1 that signs itself, and the file that has it as an authority.
func newCertificate(t testing.TB) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// leaf is a part of a message without parts of its own, decoded.
type leaf struct {
	kind, disposition, name, content string
}

// open parses a message, and returns its header and its leaves.
func open(t testing.TB, data []byte) (mail.Header, []leaf) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSuffix(string(data), "\r\n"), "\r\n") {
		require.LessOrEqual(t, len(line), 998)
		require.NotContains(t, line, "\r")
		require.NotContains(t, line, "\n")
		require.False(t, strings.ContainsFunc(line, func(r rune) bool { return r > '~' }), "a message is ASCII: %q", line)
	}
	m, err := mail.ReadMessage(bytes.NewReader(data))
	require.NoError(t, err)
	return m.Header, leaves(t, m.Header.Get, m.Body)
}

func leaves(t testing.TB, header func(string) string, body io.Reader) []leaf {
	t.Helper()
	kind, parameters, err := mime.ParseMediaType(header("Content-Type"))
	require.NoError(t, err)
	if strings.HasPrefix(kind, "multipart/") {
		var all []leaf
		r := multipart.NewReader(body, parameters["boundary"])
		for {
			p, err := r.NextRawPart()
			if errors.Is(err, io.EOF) {
				return all
			}
			require.NoError(t, err)
			for _, l := range leaves(t, p.Header.Get, p) {
				l.kind = kind + " " + l.kind
				all = append(all, l)
			}
		}
	}
	l := leaf{kind: kind}
	if text := header("Content-Disposition"); text != "" {
		l.disposition, parameters, err = mime.ParseMediaType(text)
		require.NoError(t, err)
		l.name = parameters["filename"]
	}
	switch header("Content-Transfer-Encoding") {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = newBase64(body)
	}
	content, err := io.ReadAll(body)
	require.NoError(t, err)
	l.content = string(content)
	return []leaf{l}
}

// script is a server that does what a test says with its one connection.
func script(t testing.TB, play func(ctx context.Context, conn net.Conn)) config.Mail {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		play(ctx, conn)
	}()
	t.Cleanup(func() {
		cancel()
		l.Close()
		<-ended
	})
	cfg := settings(t, l.Addr())
	cfg.TLS = "off"
	return cfg
}
