package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	plugdocs "plugboard/app/plug/docs"
	"plugboard/infra/host/manifest"
)

// asyncDocument is as much of the events' description as the registrations are held against.
type asyncDocument struct {
	Channels   map[string]asyncChannel   `yaml:"channels"`
	Operations map[string]asyncOperation `yaml:"operations"`
}

type asyncChannel struct {
	Address string `yaml:"address"`
}

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

// line puts an operation in a line, as linesOf does what is registered.
func (d asyncDocument) line(o asyncOperation) string {
	topic := d.Channels[strings.TrimPrefix(o.Channel.Ref, "#/channels/")].Address
	switch {
	case o.Reply != nil:
		return fmt.Sprintf("%s answers %s", o.Plugin, topic)
	case o.Action == "send":
		return fmt.Sprintf("%s publishes %s", o.Plugin, topic)
	default:
		return fmt.Sprintf("%s hears %s as %s, durable %t, in a transaction %t, %v", o.Plugin, topic, o.Subscription, o.Durable, o.Transaction, o.Reads)
	}
}

// linesOf puts each registered publication, subscription and answer in a line.
func linesOf(events manifest.Events) map[string]bool {
	lines := map[string]bool{}
	for _, p := range events.Publications {
		lines[fmt.Sprintf("%s publishes %s", p.Plugin, p.Topic)] = true
	}
	for _, s := range events.Subscriptions {
		var reads []string
		for _, field := range s.Payload.Fields {
			reads = append(reads, field.Name)
		}
		lines[fmt.Sprintf("%s hears %s as %s, durable %t, in a transaction %t, %v", s.Plugin, s.Topic, s.Name, s.Durable, s.Tx, reads)] = true
		if !strings.HasPrefix(s.Topic, "_dlq.") {
			lines["host publishes _dlq."+s.Topic] = true
		}
	}
	for _, a := range events.Answers {
		lines[fmt.Sprintf("%s answers %s", a.Plugin, a.Topic)] = true
	}
	return lines
}

// events are the events of the application.
func (s *site) events(t *testing.T) manifest.Events {
	t.Helper()
	service, err := s.unopened(t).Manifest()
	if err != nil {
		t.Fatalf("describe the application: %v", err)
	}
	return service.Events
}

// testEvents is the rule that the events' description equals the registrations.
func testEvents(t *testing.T, s *site) {
	t.Helper()
	events := s.events(t)
	if len(linesOf(events)) == 0 && !s.has(plugdocs.AsyncAPIFile) {
		t.Skip("there are no events")
	}
	text := s.read(t, plugdocs.AsyncAPIFile, "")
	for _, err := range plugdocs.CheckAsyncAPI([]byte(text)) {
		t.Errorf("%s: %v; %s", plugdocs.AsyncAPIFile, err, remedy)
	}
	problems, err := checkEvents(events, text)
	if err != nil {
		t.Fatal(err)
	}
	report(t, problems)
}

// checkEvents holds the events' description against what is registered: all of it, and nothing else.
func checkEvents(events manifest.Events, document string) ([]string, error) {
	registered, described := linesOf(events), map[string]bool{}
	var d asyncDocument
	if err := yaml.Unmarshal([]byte(document), &d); err != nil {
		return nil, fmt.Errorf("read %s: %w; %s", plugdocs.AsyncAPIFile, err, remedy)
	}
	var problems []string
	for _, o := range d.Operations {
		line := d.line(o)
		if described[line] = true; !registered[line] {
			problems = append(problems, fmt.Sprintf("%s says: %s; nobody does; %s", plugdocs.AsyncAPIFile, line, remedy))
		}
	}
	for line := range registered {
		if !described[line] {
			problems = append(problems, fmt.Sprintf("%s does not say: %s; %s", plugdocs.AsyncAPIFile, line, remedy))
		}
	}
	slices.Sort(problems)
	return problems, nil
}

// The marks around the table of events in docs/architecture.md.
const (
	eventsBegin = "<!-- events: generated"
	eventsEnd   = "<!-- end of events -->"
)

// testArchitecture is the rule that the table of events in docs/architecture.md is what is registered.
func testArchitecture(t *testing.T, s *site) {
	t.Helper()
	if !s.has(plugdocs.ArchitectureFile) {
		t.Skip("there is no " + plugdocs.ArchitectureFile)
	}
	text := s.read(t, plugdocs.ArchitectureFile, "")
	if !strings.Contains(text, eventsBegin) {
		t.Skip(plugdocs.ArchitectureFile + " has no table of events")
	}
	report(t, checkArchitecture(s.events(t), text))
}

// checkArchitecture finds topics that the table of events does not have, or has otherwise, and rows of topics that nobody publishes.
func checkArchitecture(events manifest.Events, text string) []string {
	published, heard := map[string][]string{}, map[string][]string{}
	for _, p := range events.Publications {
		published[p.Topic] = append(published[p.Topic], "`"+p.Plugin+"`")
	}
	for _, s := range events.Subscriptions {
		heard[s.Topic] = append(heard[s.Topic], "`"+s.Plugin+"`")
	}
	_, table, _ := strings.Cut(text, eventsBegin)
	table, _, _ = strings.Cut(table, eventsEnd)
	var problems []string
	for _, topic := range slices.Sorted(maps.Keys(published)) {
		cell := strings.Join(heard[topic], ", ")
		if cell != "" {
			cell += " "
		}
		row := fmt.Sprintf("| `%s` | %s | %s|\n", topic, strings.Join(published[topic], ", "), cell)
		if !strings.Contains(table, row) {
			problems = append(problems, fmt.Sprintf("%s has no row %q; %s", plugdocs.ArchitectureFile, row, remedy))
		}
	}
	if rows := strings.Count(table, "\n| `"); rows > len(published) {
		problems = append(problems, fmt.Sprintf("%s has %d topics, and the plugins publish %d; %s", plugdocs.ArchitectureFile, rows, len(published), remedy))
	}
	return problems
}
