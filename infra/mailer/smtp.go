package mailer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"slices"
	"strconv"
	"time"

	"plugboard/config"
)

const (
	// mostAnswer is how many bytes a server may send while it takes one mail, certificates included. The usual ones send some 5 kB.
	mostAnswer = 256 << 10
	// farewell is how long the server may take to answer the QUIT that follows the mail.
	farewell = time.Second
	codeDone = 250
)

// server is an SMTP server, and how to speak with it. Its fields do not change once mail is sent.
type server struct {
	host     string
	port     int
	security string // config.Mail.TLS
	ca       string // file, or ""
	self     string // how the service calls itself
	login    *login // nil: without
	tls      *tls.Config
}

func newServer(cfg config.Mail, self string) server {
	s := server{
		host: cfg.Host, port: cfg.Port, security: cfg.TLS, ca: cfg.CA, self: self,
		tls: &tls.Config{ServerName: cfg.Host, MinVersion: tls.VersionTLS12},
	}
	if cfg.User != "" {
		s.login = &login{user: cfg.User, password: cfg.Password}
	}
	return s
}

func (s *server) readCA() error {
	if s.ca == "" {
		return nil
	}
	text, err := os.ReadFile(s.ca)
	if err != nil {
		return fmt.Errorf("read APP_MAIL_CA: %w", err)
	}
	s.tls.RootCAs = x509.NewCertPool()
	if !s.tls.RootCAs.AppendCertsFromPEM(text) {
		return errors.New("read APP_MAIL_CA: " + s.ca + " has no certificate in PEM")
	}
	return nil
}

// deliver hands l over to the server. It returns nil once the server has accepted it for all recipients. When ctx ends, the dialogue
// ends.
func (s *server) deliver(ctx context.Context, l *letter) *failure {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(s.host, strconv.Itoa(s.port)))
	if err != nil {
		return &failure{connect, err}
	}
	defer func() { _ = raw.Close() }()                                              // the server has said what there is to know
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) }) // a connection that fails to set it is broken
	defer stop()
	c, f := s.open(&bounded{Conn: raw, left: mostAnswer})
	if f == nil {
		f = transfer(c, l)
	}
	if f == nil && stop() && raw.SetDeadline(time.Now().Add(farewell)) == nil {
		_ = c.Quit() // the mail is the server's already
	}
	return f
}

// open begins the dialogue: greeting, encryption, login.
func (s *server) open(conn net.Conn) (*smtp.Client, *failure) {
	if s.security == "implicit" {
		conn = tls.Client(conn, s.tls)
	}
	c, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return nil, &failure{greet, err}
	}
	if err := c.Hello(s.self); err != nil {
		return nil, &failure{greet, err}
	}
	if s.security == "starttls" {
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return nil, &failure{encrypt, errors.New("the server does not offer STARTTLS (APP_MAIL_TLS)")}
		}
		if err := c.StartTLS(s.tls); err != nil {
			return nil, &failure{encrypt, err}
		}
	}
	if s.login != nil {
		if err := c.Auth(s.login.begin()); err != nil {
			return nil, &failure{authenticate, err}
		}
	}
	return c, nil
}

// transfer names sender and recipients, and sends the content.
func transfer(c *smtp.Client, l *letter) *failure {
	if err := from(c, l.from.Address); err != nil {
		return &failure{sender, err}
	}
	for _, to := range l.to {
		if err := c.Rcpt(to.Address); err != nil {
			return &failure{recipient, err}
		}
	}
	w, err := c.Data()
	if err != nil {
		return &failure{content, err}
	}
	if err := l.write(w); err != nil {
		return &failure{content, err}
	}
	if err := w.Close(); err != nil {
		return &failure{content, err}
	}
	return nil
}

// from names the sender. smtp.Client's Mail would ask for SMTPUTF8 wherever that is offered; the message is ASCII, and a server
// further on that has no SMTPUTF8 might refuse it.
func from(c *smtp.Client, address string) error {
	id, err := c.Text.Cmd("MAIL FROM:<%s>", address)
	if err != nil {
		return err
	}
	c.Text.StartResponse(id)
	defer c.Text.EndResponse(id)
	_, _, err = c.Text.ReadResponse(codeDone)
	return err
}

// bounded is a connection from which no more than a number of bytes are read: net/textproto reads lines of any length into memory.
type bounded struct {
	net.Conn

	left int
}

// Read implements net.Conn.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the server has sent more than %d bytes", mostAnswer)
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// login is the name and the password of the service. The connection is encrypted, or the settings have allowed clear text.
type login struct{ user, password string }

func (l *login) begin() smtp.Auth { return &exchange{login: l} }

// exchange is one AUTH, by PLAIN (RFC 4616), or by LOGIN for servers that have nothing else.
type exchange struct {
	*login

	answers []string // that LOGIN has yet to give
}

// Start implements smtp.Auth.
func (e *exchange) Start(server *smtp.ServerInfo) (mechanism string, first []byte, err error) {
	switch {
	case slices.Contains(server.Auth, "PLAIN"):
		return "PLAIN", []byte("\x00" + e.user + "\x00" + e.password), nil
	case slices.Contains(server.Auth, "LOGIN"):
		e.answers = []string{e.user, e.password}
		return "LOGIN", nil, nil
	default:
		return "", nil, errors.New("the server offers neither AUTH PLAIN nor AUTH LOGIN")
	}
}

// Next implements smtp.Auth.
func (e *exchange) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	if len(e.answers) == 0 {
		return nil, errors.New("the server asks for more than name and password")
	}
	answer := e.answers[0]
	e.answers = e.answers[1:]
	return []byte(answer), nil
}
