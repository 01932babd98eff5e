package httpserver_test

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/infra/httpserver"
)

// wire is how a test reaches its server: over TLS, or over plain TCP.
type wire struct{ certFile, keyFile string }

// overBoth runs a test over plain TCP and over TLS. Over TLS, net/http hands its hooks a connection that wraps the accepted one: no
// hook knew it, so idle and silent connections kept their places, and a shutdown waited for them.
func overBoth(t *testing.T, test func(t *testing.T, w wire)) {
	t.Helper()
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		test(t, wire{})
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		w := wire{filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")}
		selfSigned(t, w.certFile, w.keyFile, "test")
		test(t, w)
	})
}

// apply is a change of the server's parameters.
func (w wire) apply(p *httpserver.Params) { p.HTTP.TLSCert, p.HTTP.TLSKey = w.certFile, w.keyFile }

func (w wire) dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	if w.certFile == "" {
		return dial(t, addr)
	}
	conn := tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true}) // it shakes hands when it first reads or writes
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}
