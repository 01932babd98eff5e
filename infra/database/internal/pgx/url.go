package pgx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Source says which database to connect to, and how.
type Source struct{ config *pgx.ConnConfig }

// Name tells which database it is, without a password.
func (s Source) Name() string {
	return fmt.Sprintf("%q on %s:%d as %q", s.config.Database, s.config.Host, s.config.Port, s.config.User)
}

// homeFiles are options for which the driver would read files in the user's home folder. An operator does not see those files in
// the settings, so each option is set to nothing.
var homeFiles = []string{"passfile", "sslcert", "sslkey", "sslrootcert"}

// ParseURL reads a Postgres URL. The URL alone decides what is connected to and how: not the environment variables
// of Postgres's own tools, and no file that the URL does not name.
func ParseURL(raw string) (Source, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Fragment != "" {
		// url's own message may quote a part of the password.
		return Source{}, errors.New("parse database URL: it is not a valid postgres:// URL; " +
			"special characters in the user's name and password must be percent-encoded")
	}
	options, err := takeOptions(u)
	if err != nil {
		return Source{}, fmt.Errorf("parse database URL: %w", err)
	}
	config, err := parseDriverURL(u, options["sslpassword"])
	if err != nil {
		return Source{}, fmt.Errorf("parse database URL: %w", err)
	}
	if password, ok := u.User.Password(); ok {
		config.Password = password
	}
	if password, ok := options["password"]; ok {
		config.Password = password
	}
	if err := checkEncrypted(config, options["sslmode"]); err != nil {
		return Source{}, err
	}
	return Source{config}, nil
}

// takeOptions returns the options of u, and leaves in u those for the driver: without the secrets, and with [homeFiles] empty.
func takeOptions(u *url.URL) (map[string]string, error) {
	options := map[string]string{}
	var kept []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		if pair == "" {
			continue
		}
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err := url.PathUnescape(rawKey) // a plus is a plus, as for Postgres's own tools
		value, bad := url.PathUnescape(rawValue)
		if err != nil || bad != nil {
			return nil, errors.New("an option is not percent-encoded as it must be")
		}
		if _, twice := options[key]; twice {
			return nil, fmt.Errorf("the option %s is given twice", key)
		}
		options[key] = value
		switch key {
		case "service", "servicefile":
			return nil, fmt.Errorf("the option %s names a service file, which is not read: write what the file says into the URL", key)
		case "password", "sslpassword":
		default:
			kept = append(kept, pair)
		}
	}
	for _, key := range homeFiles {
		if _, given := options[key]; !given {
			kept = append(kept, key+"=")
		}
	}
	u.RawQuery = strings.Join(kept, "&")
	return options, nil
}

// parseDriverURL has the driver read u without its password, so that no error of the driver can show the password.
func parseDriverURL(u *url.URL, sslPassword string) (*pgx.ConnConfig, error) {
	safe := *u
	safe.Scheme = "postgres"
	if u.User != nil {
		safe.User = url.User(u.User.Username())
	}
	var options pgx.ParseConfigOptions
	options.GetSSLPassword = func(context.Context) string { return sslPassword }
	defer hidePGVariables()()
	config, err := pgx.ParseConfigWithOptions(safe.String(), options)
	if bad, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		// The driver quotes the URL that it got, which is not the one that the operator wrote.
		return nil, errors.New(strings.TrimPrefix(bad.Error(), "cannot parse `"+bad.ConnString+"`: "))
	}
	return config, err
}

// pgVariables serialises the calls of [hidePGVariables].
var pgVariables sync.Mutex

// hidePGVariables removes the variables PG… from the environment until restore is called. The driver always reads them:
// PGSSLMODE=disable would send the password in clear text, PGSERVICE would read a file.
func hidePGVariables() (restore func()) {
	pgVariables.Lock()
	hidden := map[string]string{}
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "PG") {
			hidden[name] = value
			_ = os.Unsetenv(name) // fails only for names that cannot exist
		}
	}
	return func() {
		for name, value := range hidden {
			_ = os.Setenv(name, value)
		}
		pgVariables.Unlock()
	}
}

// checkEncrypted refuses a URL if the password could cross a network in clear text though nobody asked for that. Without an
// sslmode, and with prefer and allow, the driver falls back to clear text when the server, or an attacker between, says that there
// is no TLS.
func checkEncrypted(config *pgx.ConnConfig, sslMode string) error {
	if sslMode == "disable" {
		return nil
	}
	attempts := append([]*pgconn.FallbackConfig{{Host: config.Host, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	for _, attempt := range attempts {
		if attempt.TLSConfig != nil || onThisMachine(attempt.Host) {
			continue
		}
		problem := "it does not say whether the connection to " + attempt.Host + " is encrypted"
		if sslMode != "" {
			problem = "with sslmode=" + sslMode + " the connection to " + attempt.Host + " may be in clear text, password included"
		}
		return errors.New("parse database URL: " + problem + "; add to APP_DATABASE_URL one of sslmode=verify-full " +
			"(encrypted, and the server proves that it is the one), sslmode=require (encrypted), or sslmode=disable " +
			"(clear text: for a network that you trust)")
	}
	return nil
}

// onThisMachine reports whether host is the folder of a socket or an address of this machine.
func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.HasPrefix(host, "/") || host == "localhost" || ip != nil && ip.IsLoopback()
}
