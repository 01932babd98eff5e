package config

import (
	"fmt"
	"net"
	"slices"
	"time"
)

// acrossRule is a rule between settings; its error is reported for the setting with its key.
type acrossRule struct {
	key   string
	check func(cfg *Config) (problem string)
}

// acrossRules returns the rules between settings. Each setting has passed its own rules before.
func acrossRules() []acrossRule {
	return []acrossRule{
		{"events.backoff_max", func(c *Config) string {
			return notBelow(c.Events.BackoffMax, c.Events.BackoffMin, "events.backoff_min")
		}},
		{"http.read_timeout", func(c *Config) string {
			return notBelow(c.HTTP.ReadTimeout, c.HTTP.HeaderTimeout, "http.header_timeout")
		}},
		{"http.cors_credentials", func(c *Config) string {
			if c.HTTP.CORSCredentials && slices.Contains(c.HTTP.CORSOrigins, "*") {
				return "is true; it does not go with * in " + envName("http.cors_origins") + ": name the origins whose pages may send cookies"
			}
			return ""
		}},
		{"http.tls_key", func(c *Config) string {
			if (c.HTTP.TLSCert == "") != (c.HTTP.TLSKey == "") {
				return "and " + envName("http.tls_cert") + " go together: give both, or neither"
			}
			return ""
		}},
		{"events.lease", func(c *Config) string {
			return notBelow(c.Events.Lease, c.Events.Poll, "events.poll")
		}},
		{"mail.from", func(c *Config) string {
			if c.Mail.Host != "" && c.Mail.From == "" {
				return "is empty; with " + envName("mail.host") + " it must be the sender's address, such as shop@example.org"
			}
			return ""
		}},
		{"mail.user", func(c *Config) string {
			if (c.Mail.User == "") != (c.Mail.Password == "") {
				return "and " + envName("mail.password") + " go together: give both, or neither"
			}
			return ""
		}},
		{"mail.tls", func(c *Config) string {
			if c.Mail.TLS == "off" && c.Mail.Password != "" && !isThisMachine(c.Mail.Host) {
				return "is off; " + envName("mail.password") + " would go to " + envName("mail.host") + " in clear text: use starttls or implicit"
			}
			return ""
		}},
	}
}

// isThisMachine reports whether host is a loopback address or the name of one.
func isThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// notBelow returns a message when value is less than the value of the setting other.
func notBelow(value, least time.Duration, other string) string {
	if value >= least {
		return ""
	}
	return fmt.Sprintf("is %s; it must be at least %s, which is %s", shortDuration(value), envName(other), shortDuration(least))
}
