package rules

import (
	"reflect"
	"regexp"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"
)

// The messages of the rules of presence, and of values that a rule cannot check.
const (
	MessageRequired = "is required"
	MessageEmpty    = "must not be empty"
	messageUnfit    = "has a value that its rules do not fit"
)

// ruleName names a violated rule for the caller's program.
func ruleName(f validator.FieldError) string {
	if strings.Contains(f.Tag(), "|") {
		return "any_of"
	}
	return f.Tag()
}

// message words a violated rule for the caller, without the field's name and without a word about Go. Other returns the caller's
// name of another field of the same struct.
func message(f validator.FieldError, other func(name string) string) string {
	rule := f.Tag()
	if strings.Contains(rule, "|") {
		return alternatives(f, other)
	}
	if rule == "required" && f.Kind() == reflect.String { // an element, which is always given
		return MessageEmpty
	}
	if relation, ok := map[string]string{
		"min": "at least", "gte": "at least", "max": "at most", "lte": "at most", "gt": "more than", "lt": "less than", "len": "exactly",
	}[rule]; ok {
		return bound(f, relation)
	}
	text, ok := texts()[rule]
	for _, family := range []string{"required", "excluded", "uuid", "isbn"} {
		if !ok && strings.HasPrefix(rule, family) {
			text, ok = texts()[family], true
		}
	}
	switch {
	case !ok:
		return "has a value that is not allowed"
	case strings.HasSuffix(text, "{field}"):
		return strings.TrimSuffix(text, "{field}") + other(f.Param())
	case strings.HasSuffix(text, "{choices}"):
		return strings.TrimSuffix(text, "{choices}") + strings.Join(Choices(f.Param()), ", ")
	default:
		return strings.Replace(text, "{}", f.Param(), 1)
	}
}

// alternatives words a rule of several, of which one must hold: "eq=a|eq=b".
func alternatives(f validator.FieldError, other func(string) string) string {
	all := strings.Split(f.Tag(), "|")
	for i, rule := range all {
		name, parameter, _ := strings.Cut(rule, "=")
		all[i] = message(oneRule{f, name, parameter}, other)
	}
	return strings.Join(all, ", or ")
}

// oneRule is one of several alternatives.
type oneRule struct {
	validator.FieldError

	rule, parameter string
}

// Tag implements validator.FieldError.
func (r oneRule) Tag() string { return r.rule }

// Param implements validator.FieldError.
func (r oneRule) Param() string { return r.parameter }

// choice is one value of a rule such as oneof: a word, or a text in single quotes, as the validator takes it.
var choice = regexp.MustCompile(`'[^']*'|\S+`)

// Choices returns the values of the parameter of a rule such as oneof: "open 'in progress' done" are three.
func Choices(parameter string) []string {
	all := choice.FindAllString(parameter, -1)
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], "'", "")
	}
	return all
}

// bound words a limit by what is limited: a number, the length of a text, the items of a list, or a time.
func bound(f validator.FieldError, relation string) string {
	var noun string
	parameter := f.Param()
	switch f.Kind() {
	case reflect.String:
		noun = " character"
	case reflect.Slice, reflect.Map, reflect.Array:
		noun = " item"
	case reflect.Struct:
		return timeBound(relation, parameter)
	default:
		return "must be " + strings.NewReplacer("more", "greater", "exactly", "equal to").Replace(relation) + " " + parameter
	}
	if parameter != "1" {
		noun += "s"
	}
	return "must have " + relation + " " + parameter + noun
}

// timeBound words a limit on a time; without a parameter the limit is now.
func timeBound(relation, parameter string) string {
	if parameter == "" {
		parameter = "now"
	}
	switch relation {
	case "at least":
		return "must not be before " + parameter
	case "at most":
		return "must not be after " + parameter
	case "more than":
		return "must be after " + parameter
	default:
		return "must be before " + parameter
	}
}

// texts are the messages of the rules but for bounds: "{}" stands for the parameter, "{choices}" for the values in it, and "{field}"
// for the caller's name of the field that it names.
var texts = sync.OnceValue(func() map[string]string {
	return map[string]string{
		// with the parameter, or with the other field that it names
		"oneof": "must be one of {choices}", "oneofci": "must be one of {choices}", "noneof": "must be none of {choices}",
		"noneofci": "must be none of {choices}", "eq": "must be {}", "eq_ignore_case": "must be {}", "ne": "must not be {}",
		"ne_ignore_case": "must not be {}", "contains": "must contain {}", "containsrune": "must contain {}",
		"containsany": "must contain one of the characters {}", "excludes": "must not contain {}", "excludesrune": "must not contain {}",
		"excludesall": "must not contain any of the characters {}", "startswith": "must start with {}", "endswith": "must end with {}",
		"startsnotwith": "must not start with {}", "endsnotwith": "must not end with {}", "datetime": "must be a date or time in the agreed form",
		"eqfield": "must equal {field}", "nefield": "must differ from {field}", "gtfield": "must be greater than {field}",
		"gtefield": "must not be less than {field}", "ltfield": "must be less than {field}", "ltefield": "must not be greater than {field}",
		"eqcsfield": "must equal {field}", "necsfield": "must differ from {field}", "gtcsfield": "must be greater than {field}",
		"gtecsfield": "must not be less than {field}", "ltcsfield": "must be less than {field}", "ltecsfield": "must not be greater than {field}",
		"fieldcontains": "must contain {field}", "fieldexcludes": "must not contain {field}",
		// all whose names begin so
		"required": MessageRequired, "excluded": "must not be given together with the others", "uuid": "must be a UUID", "isbn": "must be an ISBN",
		// the others
		"alpha": "must consist of letters a to z", "alphanum": "must consist of letters a to z and digits",
		"alphaspace": "must consist of letters a to z and spaces", "alphanumspace": "must consist of letters a to z, digits and spaces",
		"alphaunicode": "must consist of letters", "alphanumunicode": "must consist of letters and digits", "ascii": "must be ASCII",
		"printascii": "must be printable ASCII", "multibyte": "must contain a character beyond ASCII", "boolean": "must be true or false",
		"numeric": "must be numeric", "number": "must consist of digits", "hexadecimal": "must be hexadecimal", "lowercase": "must be in lower case",
		"uppercase": "must be in upper case", "email": "must be an email address", "e164": "must be a phone number such as +4930123456",
		"url": "must be a URL", "http_url": "must be an HTTP URL", "https_url": "must be an HTTPS URL", "uri": "must be a URI",
		"url_encoded": "must be URL-encoded", "origin": "must be an origin such as https://example.com", "datauri": "must be a data URI",
		"urn_rfc2141": "must be a URN", "urn_rfc8141": "must be a URN", "hostname": "must be a host name", "hostname_rfc1123": "must be a host name",
		"hostname_label": "must be one label of a host name", "fqdn": "must be a full domain name", "hostname_port": "must be host:port",
		"port": "must be a port number", "ip": "must be an IP address", "ipv4": "must be an IPv4 address", "ipv6": "must be an IPv6 address",
		"cidr": "must be an IP network", "cidrv4": "must be an IPv4 network", "cidrv6": "must be an IPv6 network", "mac": "must be a MAC address",
		"base32": "must be base32 text", "base64": "must be base64 text", "base64url": "must be base64url text",
		"base64rawurl": "must be base64url text without padding", "md4": "must be an MD4 hash", "md5": "must be an MD5 hash",
		"sha256": "must be a SHA-256 hash", "sha384": "must be a SHA-384 hash", "sha512": "must be a SHA-512 hash", "json": "must be JSON",
		"jwt": "must be a JSON web token", "html": "must be HTML", "html_encoded": "must be encoded for HTML", "mimetype": "must be a media type",
		"semver": "must be a semantic version", "cron": "must be a cron expression", "ulid": "must be a ULID", "mongodb": "must be an object id",
		"issn": "must be an ISSN", "ssn": "must be a social security number", "credit_card": "must be a card number",
		"luhn_checksum": "must have a right check digit", "cve": "must be a CVE number", "bic": "must be a BIC", "bic_iso_9362_2014": "must be a BIC",
		"latitude": "must be a latitude", "longitude": "must be a longitude", "timezone": "must be a time zone such as Europe/Berlin",
		"hexcolor": "must be a colour such as #aabbcc", "rgb": "must be an rgb() colour", "rgba": "must be an rgba() colour",
		"hsl": "must be an hsl() colour", "hsla": "must be an hsla() colour", "cmyk": "must be a cmyk() colour", "iscolor": "must be a colour",
		"iso3166_1_alpha2": "must be a country code of two letters", "iso3166_1_alpha3": "must be a country code of three letters",
		"iso3166_1_alpha_numeric": "must be a numeric country code", "iso3166_2": "must be a subdivision code", "country_code": "must be a country code",
		"iso4217": "must be a currency code", "iso4217_numeric": "must be a numeric currency code", "bcp47_language_tag": "must be a language tag",
		"postcode_iso3166_alpha2": "must be a postcode", "unique": "must not have duplicates", "notblank": "must not be blank",
		"isdefault": "must not be given", "eth_addr": "must be an Ethereum address", "btc_addr": "must be a Bitcoin address",
		"spicedb": "must be a SpiceDB id",
	}
})
