package config

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// wanted describes the right values: "it must be a duration of at least 1ms; the default is 5s".
func (f field) wanted() error {
	words := "it must be " + f.words()
	if f.fallback != "" {
		words += "; the default is " + f.fallback
	}
	return errors.New(words)
}

// words describes the setting's values.
func (f field) words() string {
	rules := f.ruleSet()
	switch {
	case rules["oneof"] != "":
		return oneOf(strings.Fields(rules["oneof"]))
	case f.rules == listenAddr:
		return "an address to listen on, host:port"
	case f.rules == opsAddr:
		return "an address to listen on, host:port, or auto, or off"
	case f.rules == databaseURL:
		return "sqlite:<file> or postgres://user:password@host:port/name"
	default:
		return f.noun(rules) + limits(rules["min"], rules["max"]) + f.otherRules(rules)
	}
}

func (f field) noun(rules map[string]string) string {
	switch f.kind {
	case reflect.TypeFor[bool]():
		return "true or false"
	case reflect.TypeFor[int](), reflect.TypeFor[int64]():
		return "a whole number"
	case reflect.TypeFor[float64]():
		return "a number"
	case reflect.TypeFor[*url.URL]():
		return "a URL, such as https://example.org/path"
	case reflect.TypeFor[time.Duration]():
		return "a duration with its unit, such as 500ms, 30s or 10m,"
	case reflect.TypeFor[Size]():
		return "a number of bytes, such as 256MiB, 1GiB or 0,"
	case reflect.TypeFor[[]string]():
		if _, ok := rules["ip|cidr"]; ok {
			return "a list of addresses or networks separated by commas, such as 10.0.0.0/8,192.168.1.7"
		}
		if _, ok := rules[hostName]; ok {
			return "a list of host names or addresses separated by commas, such as shop.example,10.0.0.7, or *"
		}
		if _, ok := rules[webOrigin]; ok {
			return "a list of origins separated by commas, such as https://shop.example, or *"
		}
		if _, ok := rules[header]; ok {
			return "a list of name=value separated by commas"
		}
		return "a list separated by commas"
	default:
		if _, ok := rules[collectorURL]; ok {
			return "a URL, http://host:port"
		}
		if _, ok := rules[mailHost]; ok {
			return "the name or the address of a server, without its port"
		}
		if _, ok := rules[mailAddress]; ok {
			return "an address, such as shop@example.org or Shop <shop@example.org>"
		}
		return textNoun(rules)
	}
}

// textNoun describes a text by its rules.
func textNoun(rules map[string]string) string {
	for rule, noun := range map[string]string{"email": "an e-mail address", "ip": "an IP address", "uuid": "a UUID"} {
		if _, ok := rules[rule]; ok {
			return noun
		}
	}
	return "a text"
}

// known are the rules that have words of their own, in noun or limits.
func known() []string {
	return []string{
		"", "min", "max", "oneof", "omitempty", "dive", "ip|cidr", "email", "ip", "uuid",
		listenAddr, databaseURL, collectorURL, header, opsAddr, hostName, webOrigin, mailHost, mailAddress,
	}
}

// otherRules names the rules of validator's that have no words here: " (startswith=sk_)".
func (f field) otherRules(rules map[string]string) string {
	var others []string
	for _, name := range sortedKeys(rules) {
		switch {
		case slices.Contains(known(), name):
		case rules[name] == "":
			others = append(others, name)
		default:
			others = append(others, name+"="+rules[name])
		}
	}
	if len(others) == 0 {
		return ""
	}
	return " (" + strings.Join(others, ", ") + ")"
}

// ruleSet splits the limits into names and parameters.
func (f field) ruleSet() map[string]string {
	set := map[string]string{}
	for rule := range strings.SplitSeq(f.rules, ",") {
		name, parameter, _ := strings.Cut(rule, "=")
		set[name] = parameter
	}
	return set
}

func limits(lowest, highest string) string {
	switch {
	case lowest != "" && highest != "":
		return fmt.Sprintf(" from %s to %s", lowest, highest)
	case lowest != "":
		return " of at least " + lowest
	case highest != "":
		return " of at most " + highest
	default:
		return ""
	}
}

func oneOf(choices []string) string {
	last := len(choices) - 1
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}
