package config

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// Warnings returns what is allowed and yet suspicious in environ and in the file that it names: a file with secrets that
// others may read or change, trusted proxies that may be anybody, and mail in clear text. It reads the same as [Load].
func Warnings(environ []string, sections ...Section) []string {
	r := read(environ, sections)
	var all []string
	if warning := r.openFile(); warning != "" {
		all = append(all, warning)
	}
	for _, proxy := range r.cfg.HTTP.TrustedProxies {
		if isAnybody(proxy) {
			all = append(all, fmt.Sprintf("%s has %s, which holds more than any network of one's own: whoever connects from there may claim any "+
				"address in X-Forwarded-For; name your proxies", r.named("http.trusted_proxies"), proxy))
		}
	}
	if m := r.cfg.Mail; m.Host != "" && m.TLS == "off" && !isThisMachine(m.Host) {
		all = append(all, fmt.Sprintf("%s is off: mail travels to %s in clear text; use starttls or implicit", r.named("mail.tls"), m.Host))
	}
	return all
}

// openFile warns of a file that others may change, or that holds a secret and that others may read.
func (r *reading) openFile() string {
	const othersRead, othersWrite = 0o004, 0o022
	info, err := os.Stat(r.path)
	if r.path == "" || err != nil || !info.Mode().IsRegular() {
		return ""
	}
	var secrets []string
	for _, f := range r.fields {
		if f.secret && r.source[f.key] == fromFile {
			secrets = append(secrets, f.key)
		}
	}
	mode := info.Mode().Perm()
	switch {
	case len(secrets) > 0 && mode&(othersRead|othersWrite) != 0:
		return fmt.Sprintf("%s has mode %s and holds what is secret (%s): others on this machine may read or change it; chmod 600 %s",
			r.path, octal(mode), strings.Join(secrets, ", "), r.path)
	case mode&othersWrite != 0:
		return fmt.Sprintf("%s has mode %s: others on this machine may change the settings; chmod 600 %s", r.path, octal(mode), r.path)
	}
	return ""
}

func octal(mode fs.FileMode) string { return fmt.Sprintf("%04o", uint32(mode)) }

// isAnybody reports whether a network is larger than the largest private ones, 10.0.0.0/8 and fc00::/7. Two halves of
// the Internet are all of it, so a half is too large.
func isAnybody(network string) bool {
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		return false // one address
	}
	const widest4, widest6, mapped = 8, 7, 96
	switch {
	case prefix.Addr().Is4():
		return prefix.Bits() < widest4
	case prefix.Addr().Is4In6():
		return prefix.Bits()-mapped < widest4
	default:
		return prefix.Bits() < widest6
	}
}
