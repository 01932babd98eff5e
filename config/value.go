package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/mail"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-playground/validator/v10"
)

// longest bounds every duration, so that the sum of several cannot overflow.
const longest = 50 * 365 * 24 * time.Hour

// set sets the setting to given, a text or a value of YAML, if its type and its limits allow that. The error follows the
// setting's name.
func (f field) set(limits *validator.Validate, given any) error {
	value, err := f.parse(given)
	if err == nil && (f.required && isNothing(value) || f.rules != "" && limits.Var(value, f.rules) != nil) {
		err = f.wanted()
	}
	if err != nil && f.collector() && f.concealed(plain(given)) {
		return fmt.Errorf("is %s; %w, without user and parameters: what authenticates goes into %s", f.show(given), err, envName("traces.headers"))
	}
	if err != nil {
		return fmt.Errorf("is %s; %w", f.show(given), err)
	}
	f.place.Set(reflect.ValueOf(value))
	return nil
}

// isNothing reports whether value is an empty text, list or URL. A number or a truth value is always something.
func isNothing(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case []string:
		return len(v) == 0
	case *url.URL:
		return v == nil
	}
	return false
}

// parse turns given into the setting's type.
func (f field) parse(given any) (any, error) {
	if list, ok := given.([]any); ok {
		return f.parseList(list)
	}
	if _, scalar := given.(map[string]any); scalar || given == nil {
		return nil, f.wanted()
	}
	text := plain(given)
	var value any
	var err error
	switch f.kind {
	case reflect.TypeFor[string]():
		value = text
	case reflect.TypeFor[bool]():
		value, err = strconv.ParseBool(text)
	case reflect.TypeFor[int]():
		value, err = strconv.Atoi(text)
	case reflect.TypeFor[int64]():
		value, err = strconv.ParseInt(text, 10, 64)
	case reflect.TypeFor[float64]():
		value, err = parseFloat(text)
	case reflect.TypeFor[*url.URL]():
		value, err = parseURL(text)
	case reflect.TypeFor[time.Duration]():
		value, err = parseDuration(text)
	case reflect.TypeFor[Size]():
		value, err = parseSize(text)
	case reflect.TypeFor[[]string]():
		value = splitList(text)
	default:
		panic(fmt.Sprintf("config: %s has type %s, which the loader does not read", f.key, f.kind))
	}
	if err != nil {
		return nil, f.wanted()
	}
	return value, nil
}

func (f field) parseList(list []any) (any, error) {
	if f.kind != reflect.TypeFor[[]string]() {
		return nil, f.wanted()
	}
	parts := make([]string, len(list))
	for i, item := range list {
		switch item.(type) {
		case nil, map[string]any, []any:
			return nil, f.wanted()
		}
		parts[i] = plain(item)
	}
	return parts, nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && (d > longest || d < -longest) {
		return 0, errors.New("out of range")
	}
	return d, err
}

// parseFloat reads a number that is one: neither NaN nor infinite.
func parseFloat(text string) (float64, error) {
	x, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
		return 0, errors.New("not a number")
	}
	return x, err
}

// parseURL reads an absolute URL; an empty text is none.
func parseURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no URL is a value
	}
	u, err := url.Parse(text)
	if err == nil && (u.Scheme == "" || u.Host == "") {
		return nil, errors.New("not absolute")
	}
	return u, err
}

func splitList(text string) []string {
	parts := []string{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// newValidator returns a validator with the rules of the page that the library does not have.
func newValidator() *validator.Validate {
	v := validator.New()
	v.SetTagName("binding")
	for name, valid := range map[string]func(string) bool{
		listenAddr: isListenAddr, databaseURL: isDatabaseURL, collectorURL: isCollectorURL, header: isHeader,
		opsAddr: isOpsAddr, hostName: isHostName, webOrigin: isWebOrigin,
		mailHost: isMailHost, mailAddress: isMailAddress,
	} {
		rule := func(l validator.FieldLevel) bool { return valid(l.Field().String()) }
		if err := v.RegisterValidation(name, rule); err != nil {
			panic(fmt.Sprintf("config: rule %s: %v", name, err))
		}
	}
	return v
}

// The rules of the page that validator does not have.
const (
	listenAddr   = "listen_addr"
	databaseURL  = "database_url"
	collectorURL = "collector_url"
	header       = "header"
	opsAddr      = "ops_addr"
	hostName     = "host_name"
	webOrigin    = "web_origin"
	mailHost     = "mail_host"
	mailAddress  = "mail_address"
)

func isOpsAddr(s string) bool { return s == "auto" || s == "off" || isListenAddr(s) }

// isHostName reports whether s can stand in a Host header, with a port or without, or is "*".
func isHostName(s string) bool {
	return s != "" && !strings.ContainsAny(s, " \t/@?#\\") && !strings.Contains(s, "://") && (s == "*" || !strings.Contains(s, "*"))
}

// isWebOrigin reports whether s is an origin as browsers send it, or "*".
func isWebOrigin(s string) bool {
	u, err := url.Parse(s)
	return s == "*" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil &&
		s == u.Scheme+"://"+u.Host && strings.ToLower(s) == s
}

// isMailHost reports whether s is a name or an address without a port.
func isMailHost(s string) bool {
	return net.ParseIP(s) != nil || isHostName(s) && !strings.ContainsAny(s, "*:[]")
}

// isMailAddress reports whether s is an address, with a name or without, that can stand in a command of SMTP as it is.
func isMailAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && mailbox.MatchString(a.Address) && !strings.ContainsFunc(s+a.Name, unicode.IsControl)
}

var mailbox = regexp.MustCompile("^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9.-]{1,189}$")

func isListenAddr(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n <= math.MaxUint16
}

func isDatabaseURL(s string) bool {
	if file, ok := strings.CutPrefix(s, "sqlite:"); ok {
		return file != "" && !strings.HasPrefix(file, "?")
	}
	if !strings.HasPrefix(s, "postgres://") && !strings.HasPrefix(s, "postgresql://") {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && strings.Trim(u.Path, "/") != ""
}

// isCollectorURL reports whether s is an HTTP URL without anything that would be a secret.
func isCollectorURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && !strings.ContainsAny(s, secretMarks)
}

// secretMarks are the characters before a user or parameters in a URL.
const secretMarks = "@?#"

// concealed reports whether text may have secrets in it, although the setting is not marked as one: what authenticates, in a
// URL.
func (f field) concealed(text string) bool {
	return f.collector() && strings.ContainsAny(text, secretMarks) || f.kind == reflect.TypeFor[*url.URL]() && strings.Contains(text, "@")
}

func (f field) collector() bool {
	_, ok := f.ruleSet()[collectorURL]
	return ok
}

// isHeader reports whether s is name=value with a name and a value as HTTP has them.
func isHeader(s string) bool {
	name, value, ok := strings.Cut(s, "=")
	name = strings.TrimSpace(name)
	return ok && name != "" && !strings.ContainsFunc(name, notInToken) && !strings.ContainsFunc(value, isControl)
}

// notInToken reports whether c is not allowed in the name of a header.
func notInToken(c rune) bool {
	letter, digit := c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9'
	return !letter && !digit && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// show renders a given value for a message; a secret one is not shown.
func (f field) show(given any) string {
	switch given.(type) {
	case nil:
		return "empty"
	case []any:
		return "a list"
	case map[string]any:
		return "a section"
	}
	const most = 80
	text := plain(given)
	switch {
	case text == "":
		return "empty"
	case f.secret || f.concealed(text):
		return "set to a value that is not shown"
	case len(text) > most:
		return strconv.Quote(text[:most]) + "…"
	default:
		return strconv.Quote(text)
	}
}

// plain renders a scalar.
func plain(v any) string { return fmt.Sprint(v) }
