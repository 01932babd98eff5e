package database_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/database"
)

// A URL without sslmode once had the password sent in clear text to any server that said it had no TLS. A server elsewhere
// needs a choice now, and what falls back to clear text by itself is none.
func TestEncryptionIsChosen(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"postgres://u:s3cret@db.example.com/x":                                       "it does not say whether the connection to db.example.com is encrypted",
		"postgres://u:s3cret@192.0.2.7:6432/x?sslmode=":                              "it does not say whether the connection to 192.0.2.7 is encrypted",
		"postgres://u@db.example.com/x?password=s3cret&sslmode=prefer":               "with sslmode=prefer the connection to db.example.com may be in clear text",
		"postgres://u:s3cret@db.example.com/x?sslmode=allow":                         "with sslmode=allow the connection to db.example.com may be in clear text",
		"postgres://u:s3cret@localhost:5432,db.example.com:5433/x":                   "whether the connection to db.example.com",
		"postgres://u:s3cret@/x?host=/run/postgresql,10.0.0.9&port=5432,5433":        "whether the connection to 10.0.0.9",
		"postgres://u:s3cret@[2001:db8::1]/x":                                        "whether the connection to 2001:db8::1",
		"postgres://u:s3cret@localhost.example.com/x":                                "whether the connection to localhost.example.com",
		"postgres://u:s3cret@db.example.com/x?sslmode=disable&sslmode=prefer":        "the option sslmode is given twice",
		"postgres://u:s3cret@db.example.com/x?sslmode=disable&%73slmode=verify-full": "the option sslmode is given twice",
		"postgres://u:s3cret@db.example.com/x?sslmode=require&service=production":    "names a service file, which is not read",
		"postgres://u:s3cret@db.example.com/x?sslmode=require&servicefile=/x":        "names a service file, which is not read",
	} {
		_, err := database.New(config.Database{URL: raw}, zap.NewNop())
		require.ErrorContains(t, err, want, raw)
		require.NotContains(t, err.Error(), "s3cret")
		if !strings.Contains(want, "given twice") && !strings.Contains(want, "service") {
			for _, choice := range []string{"APP_DATABASE_URL", "sslmode=verify-full", "sslmode=require", "sslmode=disable"} {
				require.ErrorContains(t, err, choice)
			}
		}
	}
	for _, raw := range []string{
		"postgres://u:p@db.example.com/x?sslmode=disable", "postgres://u:p@db.example.com/x?sslmode=require",
		"postgres://u:p@db.example.com/x?sslmode=verify-ca", "postgres://u:p@a.example.com,b.example.com:5433/x?sslmode=verify-full",
		"postgres://u:p@db.example.com/x?ssl=true", "postgres://u:p@db.example.com/x?sslrootcert=system",
		"postgres://u:p@localhost/x", "postgres://u:p@127.0.0.1:5433/x", "postgres://u:p@[::1]/x", "postgres:///x?host=/run",
		"postgres://u:p@127.8.0.1,localhost/x?sslmode=prefer",
	} {
		_, err := database.New(config.Database{URL: raw}, zap.NewNop())
		require.NoError(t, err, raw)
	}
}

// A password of one letter was once shown by what it was replaced with, wherever the letter occurred in a message.
func TestMessagesKnowNoPassword(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"postgres://u:e@localhost:99999/x", "postgres://u@localhost:99999/x?password=e", "postgres://u@localhost:99999/x?pass%77ord=e"} {
		_, err := database.New(config.Database{URL: at}, zap.NewNop())
		require.EqualError(t, err, "parse database URL: invalid port")
	}
}

// The driver reads PGSSLMODE, PGPASSWORD, PGSERVICE and the like, and ~/.pgpass. Our own settings alone count, also where
// those name what does not exist.
func TestEnvironmentOfPostgresToolsIsNotRead(t *testing.T) {
	home := t.TempDir()
	server := recordingServer(t)
	port := server.port()
	write := func(name, text string) string {
		file := filepath.Join(home, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	passfile := write(".pgpass", "*:*:*:*:from-the-file\n")
	write(".postgresql/root.crt", "no certificate")
	write(".postgresql/postgresql.crt", "no certificate")
	write(".postgresql/postgresql.key", "no key")
	services := write("services", "[there]\nhost=192.0.2.1\nuser=from-the-service\nsearch_path=from-the-service\n")
	t.Setenv("HOME", home)
	for name, value := range map[string]string{
		"PGHOST": "192.0.2.1", "PGPORT": "1", "PGDATABASE": "elsewhere", "PGUSER": "somebody", "PGPASSWORD": "from-the-environment",
		"PGPASSFILE": passfile, "PGAPPNAME": "another", "PGCONNECT_TIMEOUT": "x", "PGSSLMODE": "verify-full", "PGSSLKEY": "/no/key",
		"PGSSLCERT": "/no/cert", "PGSSLCERTMODE": "", "PGSSLSNI": "0", "PGSSLROOTCERT": "/no/root", "PGSSLPASSWORD": "x",
		"PGSSLNEGOTIATION": "direct", "PGTARGETSESSIONATTRS": "nonsense", "PGSERVICEFILE": services, "PGTZ": "Mars/Olympus",
		"PGOPTIONS": "-c from=the-environment", "PGMINPROTOCOLVERSION": "9.9", "PGMAXPROTOCOLVERSION": "9.9", "PGCHANNELBINDING": "x",
		"PGREQUIREAUTH": "x",
	} {
		t.Setenv(name, value)
	}
	for _, service := range []string{"there", "nowhere"} {
		t.Setenv("PGSERVICE", service)
		_, err := database.New(config.Database{URL: "postgres://u:p@db.example.com/x"}, zap.NewNop())
		require.ErrorContains(t, err, "sslmode=verify-full", "PGSSLMODE is no choice")
		db, err := database.New(config.Database{
			URL: "postgres://u@127.0.0.1:" + port + "/x", MaxConns: 2, OpenTimeout: 200 * time.Millisecond, BusyTimeout: time.Second,
		}, zap.NewNop())
		require.NoError(t, err)
		require.Error(t, db.Open(t.Context()))
		require.Equal(t, service, os.Getenv("PGSERVICE"), "what others find is as it was")
	}
	got := server.sent()
	require.Contains(t, got, "user\x00u\x00")
	require.Contains(t, got, "database\x00x\x00")
	for _, foreign := range []string{"from-the", "another", "Mars", "somebody", "elsewhere"} {
		require.NotContains(t, got, foreign)
	}
}

// A server without TLS that asks for the password in clear text is told nothing where the URL asks for TLS, however often it
// is tried.
func TestPasswordIsNotSentWithoutTLS(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]bool{"require": false, "verify-ca": false, "verify-full": false, "disable": true} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			server := recordingServer(t)
			db, err := database.New(config.Database{
				URL:      "postgres://somebody:s3cret@127.0.0.1:" + server.port() + "/x?sslmode=" + mode,
				MaxConns: 2, OpenTimeout: 5 * time.Second, BusyTimeout: time.Second, // which a busy machine needs for one try
			}, zap.NewNop())
			require.NoError(t, err)
			err = db.Open(t.Context())
			require.Error(t, err)
			require.NotContains(t, err.Error(), "s3cret")
			require.Equal(t, want, strings.Contains(server.sent(), "s3cret"))
			require.Equal(t, want, strings.Contains(server.sent(), "somebody"))
			if !want {
				require.ErrorContains(t, err, "server refused TLS connection")
			}
		})
	}
}

// recorder is a server that refuses TLS, asks for the password in clear text, says that it is not right for now, and keeps
// all it is sent.
type recorder struct {
	listener net.Listener
	mu       sync.Mutex
	got      bytes.Buffer
}

func recordingServer(t *testing.T) *recorder {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &recorder{listener: listener}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { r.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait()
	})
	return r
}

func (r *recorder) port() string {
	_, port, _ := net.SplitHostPort(r.listener.Addr().String())
	return port
}

func (r *recorder) sent() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.String()
}

func (r *recorder) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for _, answer := range []string{
		"R\x00\x00\x00\x08\x00\x00\x00\x03",         // the password in clear text, please
		"E\x00\x00\x00\x13SFATAL\x00C57P03\x00\x00", // cannot connect now
	} {
		p, err := r.read(conn)
		if err == nil && len(p) == 8 { // SSLRequest
			_, _ = io.WriteString(conn, "N")
			_, err = r.read(conn)
		}
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, answer)
	}
}

func (r *recorder) read(conn net.Conn) ([]byte, error) {
	p := make([]byte, 4096)
	n, err := conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got.Write(p[:n])
	return p[:n], err
}
