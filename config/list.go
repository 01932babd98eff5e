package config

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strings"
	"text/tabwriter"
)

// Setting describes one setting and its value, for people.
type Setting struct {
	// Key is its name in the file, "http.addr".
	Key string
	// Env is its name in the environment, "APP_HTTP_ADDR".
	Env string
	// Value is its value as text; of a secret, only what is none (see [Redact]).
	Value string
	// Default is the default as text.
	Default string
	// Wanted says which values are right: "true or false".
	Wanted string
	// Source is where the value came from: "default", "file", "env", or "secret file".
	Source string
	// Secret says that the value is never shown. It may also be given by a file, which the variable Env+"_FILE" names.
	Secret bool
	// Package and Field name the Go field of a domain's setting, "MailSettings.Host"; they are empty for the host's.
	Package, Field string
}

// List returns all settings as [Load] reads them, in the order of the page; those of sections follow. The error is that of
// Load.
func List(environ []string, sections ...Section) ([]Setting, error) {
	r := read(environ, sections)
	all := make([]Setting, len(r.fields))
	for i, f := range r.fields {
		all[i] = Setting{
			Key: f.key, Env: f.env, Value: f.text(), Default: f.fallback, Secret: f.secret,
			Wanted: strings.TrimSuffix(f.words(), ","), Source: r.source[f.key],
		}
		if f.owner != nil {
			all[i].Package, all[i].Field = f.owner.Type.PkgPath(), f.goName
		}
		if hidden := f.secret || f.kind == reflect.TypeFor[*url.URL](); hidden && all[i].Value != "" {
			all[i].Value = Redact(all[i].Value)
		}
	}
	return all, errors.Join(r.problems...)
}

// Print writes settings as a table: name in the environment, value, source.
func Print(w io.Writer, settings []Setting) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "SETTING\tVALUE\tFROM") // a tabwriter reports its errors on Flush
	for _, s := range settings {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", s.Env, s.Value, s.Source)
	}
	return t.Flush()
}

// Redact returns what of a secret may be shown: of a URL the scheme, host and path, never user, password or
// parameters; of "sqlite:" the file; of anything else nothing. What is hidden is always "***". A URL with an "@" behind
// its host is shown as nothing: its password may have a "/", "?" or "#", behind which the host that it seems to have is not.
func Redact(secret string) string {
	const hidden = "***"
	if file, ok := strings.CutPrefix(secret, "sqlite:"); ok {
		file, _, _ = strings.Cut(file, "?")
		return "sqlite:" + file
	}
	u, err := url.Parse(secret)
	if err != nil || u.Scheme == "" || u.Host == "" || strings.Contains(behindHost(secret), "@") {
		return hidden
	}
	user := ""
	if u.User != nil {
		user = hidden + "@"
	}
	return u.Scheme + "://" + user + u.Host + u.Path
}

// behindHost returns what comes after the host of a URL.
func behindHost(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return rest[i:]
	}
	return ""
}
