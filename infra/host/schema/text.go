package schema

import (
	"regexp"
	"time"

	"plugboard/infra/host/manifest"
)

// addText adds a rule about a text. A format only names the kind of text, so the rule is listed as well.
func addText(s *manifest.Schema, rule, value string) bool {
	if format := formatOf(rule, value); format != "" && s.Format == "" {
		s.Format = format
		return false
	}
	pattern := patternOf(rule, value)
	switch {
	case pattern == "":
		return false
	case s.Pattern == "":
		s.Pattern = pattern
	default:
		s.AllOf = append(s.AllOf, &manifest.Schema{Pattern: pattern})
	}
	return true
}

// formatOf names the format that a rule of the validator asks for.
func formatOf(rule, value string) string {
	switch rule {
	case "email", "ipv4", "ipv6", "hostname":
		return rule
	case "uuid", "uuid3", "uuid4", "uuid5", "uuid_rfc4122", "uuid3_rfc4122", "uuid4_rfc4122", "uuid5_rfc4122":
		return "uuid"
	case "url", "uri", "http_url":
		return "uri"
	case "hostname_rfc1123", "fqdn":
		return "hostname"
	case "datetime":
		switch value {
		case time.RFC3339, time.RFC3339Nano:
			return "date-time"
		case time.DateOnly:
			return "date"
		}
	}
	return ""
}

// patternOf returns the regular expression that the validator uses for a rule, or an equal one.
func patternOf(rule, value string) string {
	switch rule {
	case "alpha":
		return `^[a-zA-Z]+$`
	case "alphanum":
		return `^[a-zA-Z0-9]+$`
	case "numeric":
		return `^[-+]?[0-9]+(?:\.[0-9]+)?$`
	case "number":
		return `^[0-9]+$`
	case "hexadecimal":
		return `^(0[xX])?[0-9a-fA-F]+$`
	case "hexcolor":
		return `^#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$`
	case "e164":
		return `^\+?[1-9]\d{7,14}$`
	case "printascii":
		return `^[ -~]*$`
	case "notblank":
		return `[^\s\x85]` // the spaces of JavaScript, and one more of Unicode
	case "startswith":
		return "^" + regexp.QuoteMeta(value)
	case "endswith":
		return regexp.QuoteMeta(value) + "$"
	case "contains":
		return regexp.QuoteMeta(value)
	default:
		return ""
	}
}
