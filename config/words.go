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
		return described(rules, listRules(), "a list separated by commas")
	default:
		return described(rules, textRules(), "a text")
	}
}

// ruleNoun is a rule, with the noun for the values that it allows.
type ruleNoun struct{ rule, noun string }

func listRules() []ruleNoun {
	return []ruleNoun{
		{"ip|cidr", "a list of addresses or networks separated by commas, such as 10.0.0.0/8,192.168.1.7"},
		{hostName, "a list of host names or addresses separated by commas, such as shop.example,10.0.0.7, or *"},
		{webOrigin, "a list of origins separated by commas, such as https://shop.example, or *"},
		{header, "a list of name=value separated by commas"},
	}
}

func textRules() []ruleNoun {
	return []ruleNoun{
		{collectorURL, "a URL, http://host:port"},
		{mailHost, "the name or the address of a server, without its port"},
		{mailAddress, "an address, such as shop@example.org or Shop <shop@example.org>"},
		{"email", "an e-mail address"}, {"ip", "an IP address"}, {"uuid", "a UUID"},
	}
}

// described returns the noun of the first of nouns that is among rules, or the other.
func described(rules map[string]string, nouns []ruleNoun, other string) string {
	for _, n := range nouns {
		if _, ok := rules[n.rule]; ok {
			return n.noun
		}
	}
	return other
}

// hasWords reports whether a message says what a rule demands without naming it: by a noun, or by its limits.
func hasWords(rule string) bool {
	return slices.Contains([]string{"", "min", "max", "oneof", "omitempty", "dive", listenAddr, databaseURL, opsAddr}, rule) ||
		slices.ContainsFunc(slices.Concat(listRules(), textRules()), func(n ruleNoun) bool { return n.rule == rule })
}

// otherRules names the rules of validator's that have no words here: " (startswith=sk_)".
func (f field) otherRules(rules map[string]string) string {
	var others []string
	for _, name := range sortedKeys(rules) {
		switch {
		case hasWords(name):
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
