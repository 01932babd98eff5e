package host

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"plugboard/infra/host/description"
)

// limitSchema adds what a field's rules say to its schema, and tells whether the field must be given. What a schema cannot
// say (rules across fields, alternatives, most of the validator's special texts) is left out: the service is then
// stricter than its description, never the other way round.
func limitSchema(s *description.Schema, rules string, pointer bool) (required bool) {
	own, elements, dives := cutRule(rules, "dive")
	for rule := range strings.SplitSeq(own, ",") {
		name, value, _ := strings.Cut(rule, "=")
		if name == "required" {
			required = true
			continue
		}
		addRule(s, name, value)
	}
	if required && !pointer && s.Type == "string" && s.MinLength == "" && s.Format == "" {
		s.MinLength = "1" // the validator holds an empty text for none
	}
	switch {
	case !dives:
	case s.Items != nil:
		limitSchema(s.Items, elements, false)
	case s.Values != nil:
		if keys, values, found := cutRule(elements, "endkeys"); found && strings.HasPrefix(keys, "keys") {
			elements = values
		}
		limitSchema(s.Values, elements, false)
	}
	return required
}

// cutRule cuts rules around the first rule of the given name.
func cutRule(rules, name string) (before, after string, found bool) {
	all := strings.Split(rules, ",")
	for i, rule := range all {
		if rule == name {
			return strings.Join(all[:i], ","), strings.Join(all[i+1:], ","), true
		}
	}
	return rules, "", false
}

// addRule adds one rule.
func addRule(s *description.Schema, name, value string) {
	switch name {
	case "oneof", "eq":
		addEnum(s, name, value)
	case "unique":
		s.UniqueItems = s.Type == "array" && value == ""
	case "min", "gte":
		addBound(s, value, "", false)
	case "max", "lte":
		addBound(s, "", value, false)
	case "gt":
		addBound(s, value, "", true)
	case "lt":
		addBound(s, "", value, true)
	case "len":
		addBound(s, value, value, false)
	default:
		if s.Type == "string" {
			addText(s, name, value)
		}
	}
}

var quoted = regexp.MustCompile(`'[^']*'|\S+`)

func addEnum(s *description.Schema, rule, value string) {
	texts := []string{value}
	if rule == "oneof" {
		texts = quoted.FindAllString(value, -1)
	}
	if s.Type != "string" && s.Type != "integer" && s.Type != "number" {
		return
	}
	s.Enum = nil
	for _, text := range texts {
		s.Enum = append(s.Enum, valueOf(s, strings.Trim(text, "'")))
	}
}

// addBound adds limits of a number, or of the length of a text, a list or a map. An empty one is none; "outside" tells
// that the limits themselves are refused.
func addBound(s *description.Schema, least, most string, outside bool) {
	switch s.Type {
	case "number":
		s.ExclusiveMinimum = set(&s.Minimum, least) && outside || s.ExclusiveMinimum && least == ""
		s.ExclusiveMaximum = set(&s.Maximum, most) && outside || s.ExclusiveMaximum && most == ""
		return
	}
	if outside {
		least, most = step(least, 1), step(most, -1)
	}
	switch {
	case s.Type == "integer":
		set(&s.Minimum, least)
		set(&s.Maximum, most)
	case s.Type == "array":
		set(&s.MinItems, least)
		set(&s.MaxItems, most)
	case s.Type == "object":
		set(&s.MinProperties, least)
		set(&s.MaxProperties, most)
	case s.Type == "string" && s.Format != "binary" && s.Format != "date-time":
		set(&s.MinLength, least)
		set(&s.MaxLength, most)
	}
}

// set sets a limit that is a number, and tells whether it did.
func set(limit *json.Number, text string) bool {
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		return false
	}
	*limit = json.Number(text)
	return true
}

// step returns the whole number beside the one that text is.
func step(text string, by int64) string {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return ""
	}
	return strconv.FormatInt(n+by, 10)
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
	case "base64":
		return "byte"
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

// patternOf is the regular expression that the validator holds a text against for a rule, or one that says the same.
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

// addText adds a rule about a text. Of several patterns the first is told.
func addText(s *description.Schema, rule, value string) {
	if format := formatOf(rule, value); format != "" {
		s.Format = format
	}
	if pattern := patternOf(rule, value); pattern != "" && s.Pattern == "" {
		s.Pattern = pattern
	}
}
