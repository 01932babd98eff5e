package database_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"gorm.io/gorm"

	"plugboard/app/apptest/pgbouncer"
	"plugboard/config"
	"plugboard/infra/database"
)

// behindPgBouncer starts a PgBouncer before the database of cfg.
func behindPgBouncer(t *testing.T, cfg config.Database, lines ...string) *pgbouncer.Process {
	t.Helper()
	p, err := pgbouncer.Start(t.Context(), cfg.URL, lines...)
	if errors.Is(err, pgbouncer.ErrMissing) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(p.Stop)
	return p
}

// timeouts are what a session of db has.
func timeouts(ctx context.Context, t testing.TB, h *gorm.DB) []string {
	t.Helper()
	got := make([]string, 4)
	row := h.WithContext(ctx).Raw(`SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),
		current_setting('idle_in_transaction_session_timeout'), current_setting('TimeZone')`).Row()
	require.NoError(t, row.Scan(&got[0], &got[1], &got[2], &got[3]))
	return got
}

var wantTimeouts = []string{"2min", "5s", "1min", "UTC"}

// Timeouts went out as startup parameters, which PgBouncer refuses by default, and drops silently where it is told to. They
// are set by a statement, and hold in each session, the second user's of a server connection too.
func TestPgBouncerInSessionMode(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"with its defaults":       nil,
		"that ignores parameters": {"ignore_startup_parameters = statement_timeout,lock_timeout,idle_in_transaction_session_timeout,search_path"},
		"with few sessions":       {"default_pool_size = 6"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, database.Postgres)
			cfg.URL = behindPgBouncer(t, cfg, lines...).URL()
			for range 3 { // each time the server's sessions have been reset by DISCARD ALL
				db := mustNew(t, cfg)
				require.NoError(t, db.Open(t.Context()))
				require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{lamps()}))
				held := sync.WaitGroup{}
				held.Add(cfg.MaxConns)
				var all sync.WaitGroup
				for range cfg.MaxConns {
					all.Go(func() {
						err := db.InTx(t.Context(), func(ctx context.Context) error {
							held.Done()
							held.Wait() // every one has a connection of its own
							require.Equal(t, wantTimeouts, timeouts(ctx, t, db.Gorm()))
							return nil
						})
						require.NoError(t, err)
					})
				}
				all.Wait()
				require.NoError(t, db.Close(t.Context()))
			}
		})
	}
}

// A pooler that lends sessions for a transaction or a statement leaves locks and timeouts with other clients. The start says
// so, and has changed no session before.
func TestPgBouncerInOtherModesIsRefused(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "statement"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, database.Postgres)
			cfg.URL = behindPgBouncer(t, cfg, "pool_mode = "+mode).URL()
			cfg.OpenTimeout = time.Hour // and it does not wait for that to change
			db := mustNew(t, cfg)
			err := db.Open(t.Context())
			require.ErrorContains(t, err, "PgBouncer hands its sessions from client to client")
			require.ErrorContains(t, err, "pool_mode = session")
		})
	}
}

// TestPgBouncerThatIsBusyIsFoundOut has other clients take sessions between the two looks at them.
func TestPgBouncerThatIsBusyIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"the last one first": nil, "in turn": {"server_round_robin = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, database.Postgres)
			cfg.URL = os.Getenv("TEST_DATABASE_URL") // nothing is made in it
			p := behindPgBouncer(t, cfg, append(lines, "pool_mode = transaction")...)
			ctx, stop := context.WithCancel(t.Context())
			var others sync.WaitGroup
			defer others.Wait()
			defer stop()
			for range 4 {
				conn, err := pgconn.Connect(t.Context(), p.URL())
				require.NoError(t, err)
				others.Go(func() {
					for ctx.Err() == nil {
						_, _ = conn.Exec(ctx, "SELECT pg_backend_pid()").ReadAll()
					}
					_ = conn.Close(context.WithoutCancel(ctx))
				})
			}
			cfg.URL = p.URL()
			require.ErrorContains(t, mustNew(t, cfg).Open(t.Context()), "pool_mode = session")
		})
	}
}

// A plugin's SET, RESET or DISCARD on a pooled connection once stayed with it, and its timeouts, role and search path were the
// next user's. Such a connection is not used again.
func TestChangedSessionIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		"SET statement_timeout = 0", "set session lock_timeout = 0", "RESET ALL", "DISCARD ALL", " -- to begin with\nReset statement_timeout;",
		"DEALLOCATE ALL", "SET\tlock_timeout TO 0", "SET ROLE NONE",
	} {
		cfg := settings(t, database.Postgres)
		cfg.MaxConns = 2
		db := opened(t, cfg)
		before := db.Stats()["pool"].OpenConnections
		require.NoError(t, db.Gorm().WithContext(t.Context()).Exec(statement).Error, statement)
		require.Less(t, db.Stats()["pool"].OpenConnections, max(before, 1), statement)
		for range 3 {
			require.Equal(t, wantTimeouts, timeouts(t.Context(), t, db.Gorm()), statement)
		}
	}
	db := fresh(t, database.Postgres)
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		return db.Gorm().WithContext(ctx).Exec("SET LOCAL statement_timeout = 0").Error
	}))
	require.Equal(t, wantTimeouts, timeouts(t.Context(), t, db.Gorm()))
}

// What the URL says of a parameter goes before what we set, and what the server does not know is said at once.
func TestParametersOfTheURL(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.Postgres)
	plain := cfg.URL
	cfg.URL = plain + "&statement_timeout=7s&TimeZone=Europe/Berlin"
	require.Equal(t, []string{"7s", "5s", "1min", "UTC"}, timeouts(t.Context(), t, opened(t, cfg).Gorm()))
	cfg.OpenTimeout = time.Hour
	for option, want := range map[string]string{
		"no_such_parameter=1": "no_such_parameter", "statement_timeout=soon": `invalid value for parameter "statement_timeout"`,
	} {
		cfg.URL = plain + "&" + option
		db, err := database.New(cfg, zap.NewNop())
		require.NoError(t, err)
		require.ErrorContains(t, db.Open(t.Context()), want)
	}
}

// With TLS on, what the URL asks of the server's certificate is held to.
func TestTLS(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	certificate := selfSigned(t, folder)
	cfg := settings(t, database.Postgres)
	p := behindPgBouncer(t, cfg, "client_tls_sslmode = require",
		"client_tls_cert_file = "+filepath.Join(folder, "cert.pem"), "client_tls_key_file = "+filepath.Join(folder, "key.pem"))
	for options, want := range map[string]string{
		"sslmode=require": "",
		"sslmode=verify-full&sslrootcert=" + certificate: "",
		"sslmode=verify-ca&sslrootcert=" + certificate:   "",
		"":                    "",
		"sslmode=verify-full": "certificate",
		"sslmode=disable":     "SSL required",
	} {
		given, err := url.ParseQuery(options)
		require.NoError(t, err)
		again := cfg
		again.URL, again.OpenTimeout = p.TCP(given), 5*time.Second
		if want == "" {
			again.OpenTimeout = cfg.OpenTimeout
			opened(t, again)
			continue
		}
		require.ErrorContains(t, mustNew(t, again).Open(t.Context()), want, options)
	}
}

// selfSigned makes a certificate for 127.0.0.1 in folder, which PgBouncer's user may read, and returns its file.
func selfSigned(t *testing.T, folder string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	file := filepath.Join(folder, "cert.pem")
	for name, block := range map[string]*pem.Block{
		file: {Type: "CERTIFICATE", Bytes: der}, filepath.Join(folder, "key.pem"): {Type: "PRIVATE KEY", Bytes: secret},
	} {
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o644))
	}
	require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755))
	return file
}
