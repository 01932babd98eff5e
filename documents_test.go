package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"plugboard/app"
	plugdocs "plugboard/app/plug/docs"
)

// asyncOperation is what the events' description says about a publication, a subscription or an answer.
type asyncOperation struct {
	Action       string         `yaml:"action"`
	Channel      asyncReference `yaml:"channel"`
	Reply        *struct{}      `yaml:"reply"`
	Plugin       string         `yaml:"x-plugin"`
	Subscription string         `yaml:"x-subscription"`
	Durable      bool           `yaml:"x-durable"`
	Transaction  bool           `yaml:"x-transaction"`
	Reads        []string       `yaml:"x-reads"`
}

type asyncReference struct {
	Ref string `yaml:"$ref"`
}

// line puts an operation in a line, as checkEvents does what is registered.
func (o asyncOperation) line() string {
	topic := strings.TrimPrefix(o.Channel.Ref, "#/channels/")
	switch {
	case o.Reply != nil:
		return fmt.Sprintf("%s answers %s", o.Plugin, topic)
	case o.Action == "send":
		return fmt.Sprintf("%s publishes %s", o.Plugin, topic)
	default:
		return fmt.Sprintf("%s hears %s as %s, durable %t, in a transaction %t, %v", o.Plugin, topic, o.Subscription, o.Durable, o.Transaction, o.Reads)
	}
}

// checkEvents holds the events' description against what is registered: all of it, and nothing else.
func checkEvents(t *testing.T, plugins []app.BootedPlugin, document string) []string {
	t.Helper()
	registered := map[string]bool{}
	for _, p := range plugins {
		for _, publication := range p.Boot.Publications() {
			registered[fmt.Sprintf("%s publishes %s", publication.Plugin.Name, publication.Event.Topic())] = true
		}
		for _, s := range p.Boot.Subscriptions() {
			name := s.Options.Name
			if name == "" {
				name = s.Plugin.Name + "/" + s.Subscriber.Topic()
			}
			var reads []string
			for field := range fields(s.Subscriber.EventType()) {
				reads = append(reads, strings.Split(field.Tag.Get("json"), ",")[0])
			}
			registered[fmt.Sprintf("%s hears %s as %s, durable %t, in a transaction %t, %v",
				s.Plugin.Name, s.Subscriber.Topic(), name, !s.Options.Volatile, s.Subscriber.Tx(), reads)] = true
			if !strings.HasPrefix(s.Subscriber.Topic(), "_dlq.") {
				registered["host publishes _dlq."+s.Subscriber.Topic()] = true
			}
		}
		for _, answer := range p.Boot.Answers() {
			registered[fmt.Sprintf("%s answers %s", answer.Plugin.Name, answer.Responder.Topic())] = true
		}
	}
	var d struct {
		Operations map[string]asyncOperation `yaml:"operations"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(document), &d))
	var problems []string
	described := map[string]bool{}
	for _, o := range d.Operations {
		if described[o.line()] = true; !registered[o.line()] {
			problems = append(problems, o.line()+": nobody does")
		}
	}
	for _, line := range slices.Sorted(maps.Keys(registered)) {
		if !described[line] {
			problems = append(problems, line+": is not described; run make docs")
		}
	}
	return problems
}

func TestEventsDescriptionEqualsRegistrations(t *testing.T) {
	t.Parallel()
	plugins := assembled(t, "sqlite:"+t.TempDir()+"/never.db").Registrar().Plugins()
	text := read(t, repository(), plugdocs.AsyncAPIFile)
	require.Empty(t, plugdocs.CheckAsyncAPI([]byte(text)))
	require.Empty(t, checkEvents(t, plugins, text))

	for old, wrong := range map[string]string{
		"x-plugin: products.create_product":                "x-plugin: products.create",
		"$ref: '#/channels/image.ready'":                   "$ref: '#/channels/image.gone'",
		"x-transaction: true":                              "x-transaction: false",
		"x-durable: true":                                  "x-durable: false",
		"x-reads: [id]":                                    "x-reads: [id, name]",
		"\ncomponents:":                                    "\n  more: {action: send, channel: {$ref: '#/channels/x'}}\ncomponents:",
		"x-subscription: notifications.store_notification": "x-subscription: store_notification",
	} {
		require.Contains(t, text, old)
		require.NotEmpty(t, checkEvents(t, plugins, strings.Replace(text, old, wrong, 1)), wrong)
	}
}

var inlineCode = regexp.MustCompile("`([^`]+)`")

// What the table of the five points shows of our Go stands in the plugin that it is about.
func TestFivePoints(t *testing.T) {
	t.Parallel()
	plugin := read(t, repository(), "domains/products/plugins/create_product.go")
	points := 0
	for line := range strings.Lines(read(t, repository(), "docs/writing-a-plugin.md")) {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || !regexp.MustCompile(`^\| [1-5]\. `).MatchString(cells[0]) {
			continue
		}
		points++
		codes := inlineCode.FindAllStringSubmatch(cells[2], -1)
		require.NotEmpty(t, codes, line)
		for _, code := range codes {
			require.Contains(t, plugin, code[1])
		}
	}
	require.Equal(t, 5, points)
}
