package scaffold

import (
	"fmt"
	"slices"
	"strings"
)

// The kinds of plugins.
const (
	endpointKind   = "endpoint"
	listKind       = "list" // reads pages of its domain's table
	cpuKind        = "cpu"
	rawKind        = "raw"
	subscriberKind = "subscriber"
	responderKind  = "responder"
	scheduleKind   = "schedule"
)

// Kind is a kind of plugins that [New] makes.
type Kind struct {
	// Name is what [Plugin] calls it.
	Name string
	// Help says in a few words what such a plugin does.
	Help string
}

// Kinds returns all kinds, in the order in which they are told.
func Kinds() []Kind {
	return []Kind{
		{endpointKind, "answers requests"},
		{listKind, "answers requests with pages of the domain's table"},
		{cpuKind, "answers requests by computing, on the work pool"},
		{rawKind, "answers requests with a Gin handler of its own"},
		{subscriberKind, "handles the events of a topic"},
		{responderKind, "answers what other plugins ask with app.Ask"},
		{scheduleKind, "runs at fixed times"},
	}
}

// kindNames returns the names of all kinds.
func kindNames() []string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return names
}

// served are the kinds of plugins that answer requests.
var served = []string{endpointKind, listKind, cpuKind, rawKind}

// heard are the kinds of plugins that take what others send them under a topic.
var heard = []string{subscriberKind, responderKind}

// needless returns what was given and means nothing for the plugin's kind.
func needless(p Plugin) []error {
	var problems []error
	for _, flag := range []struct {
		name  string
		given bool
		kinds []string
	}{
		{"method", p.Method != "", served},
		{"path", p.Path != "", served},
		{"topic", p.Topic != "", heard},
		{"ahead", p.Ahead, []string{subscriberKind}},
		{"access", p.Access != "", served},
	} {
		if flag.given && slices.Contains(kindNames(), p.Kind) && !slices.Contains(flag.kinds, p.Kind) {
			problems = append(problems, fmt.Errorf("--%s is for --kind %s, not for %s", flag.name, either(flag.kinds), p.Kind))
		}
	}
	return problems
}

// either joins words: "a, b or c".
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
