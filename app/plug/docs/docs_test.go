package docs_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"plugboard/app/plug/docs"
	"plugboard/infra/host/manifest"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

// planted is a service with every kind of publication, subscription and answer.
func planted(t *testing.T) manifest.Service {
	t.Helper()
	text, err := os.ReadFile("testdata/service.json")
	require.NoError(t, err)
	s, err := manifest.Parse(text)
	require.NoError(t, err)
	return s
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(got), 0o600))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func asyncAPI(t *testing.T, s manifest.Service) string {
	t.Helper()
	comment := func(pkg, name string) string { return pkg[strings.LastIndex(pkg, "m/")+2:] + " " + name }
	text, err := docs.AsyncAPI(s, docs.Info{Title: "Shop", Version: "1.2.3", Description: "Planted."}, comment)
	require.NoError(t, err)
	return string(text)
}

func TestAsyncAPI(t *testing.T) {
	t.Parallel()
	s := planted(t)
	text := asyncAPI(t, s)
	golden(t, "asyncapi.yaml", text)
	require.Equal(t, text, asyncAPI(t, s), "the same from run to run")

	// A subscriber that is ahead of its publisher describes the channel itself.
	ahead := planted(t)
	for i := range ahead.Events.Subscriptions {
		ahead.Events.Subscriptions[i].Topic = "not.published"
	}
	require.Contains(t, asyncAPI(t, ahead), "address: not.published\n    description: Nobody publishes it yet.")

	// Another domain leaves what is there as it is, also one that names its event alike.
	more := planted(t)
	p := more.Events.Publications[0]
	p.Plugin, p.Payload.Package = "bank.sell", "m/domains/bank/plugins"
	more.Events.Publications = append(more.Events.Publications, p)
	var before, after map[string]map[string]any
	read := func(text string, into *map[string]map[string]any) {
		var document struct {
			Operations map[string]any
			Components struct{ Messages, Schemas map[string]any }
		}
		require.NoError(t, yaml.Unmarshal([]byte(text), &document))
		*into = map[string]map[string]any{"messages": document.Components.Messages, "schemas": document.Components.Schemas}
	}
	read(text, &before)
	read(asyncAPI(t, more), &after)
	for part, components := range before {
		require.Len(t, after[part], len(components)+1)
		for name, component := range components {
			require.Equal(t, component, after[part][name])
		}
	}
}

// Each fault that is planted in the document is found.
func TestCheckAsyncAPI(t *testing.T) {
	t.Parallel()
	text := asyncAPI(t, planted(t))
	require.Empty(t, docs.CheckAsyncAPI([]byte(text)))
	for old, c := range map[string]struct{ with, want string }{
		"asyncapi: 3.0.0": {"asyncapi: 2.6.0", "is not 3.0.0"},
		"title: Shop":     {`title: ""`, "info: has no title"},
		"$ref: '#/components/schemas/shop.SaleMade'":            {"$ref: '#/components/schemas/shop.Gone'", "refers to #/components/schemas/shop.Gone, which is not there"},
		"$ref: '#/components/messages/app.DeadLetter'":          {"$ref: 'other.yaml#/x'", "refers to other.yaml#/x"},
		"address: sale.made":                                    {"address: price.of", "has the address of price.of"},
		"action: send":                                          {"action: sent", "the action is sent"},
		"$ref: '#/channels/price.of'":                           {"$ref: '#/components/messages'", "has no channel"},
		"$ref: '#/channels/price.of/messages/shop.PriceQuery'":  {"$ref: '#/channels/sale.made/messages/shop.SaleMade'", "is not one of its channel"},
		"shop.sell.send.sale.made:":                             {"shop/sell:", "needs other characters"},
		"$ref: '#/channels/_reply.price.of/messages/shop.Price": {"$ref: '#/channels/price.of/messages/shop.Price", "reply of operation shop.price_of.answer.price.of"},
	} {
		require.Contains(t, text, old)
		problems := docs.CheckAsyncAPI([]byte(strings.Replace(text, old, c.with, 1)))
		require.NotEmpty(t, problems, c.with)
		var all []string
		for _, p := range problems {
			all = append(all, p.Error())
		}
		require.Contains(t, strings.Join(all, "\n"), c.want)
	}
	require.NotEmpty(t, docs.CheckAsyncAPI([]byte("\t")))
	require.NotEmpty(t, docs.CheckAsyncAPI([]byte("channels: {a: {messages: {}}}\noperations: {b: {action: send, channel: {$ref: '#/channels/a'}}}")))
}

// packages are what go list prints of a small module.
const packages = `
{"ImportPath":"m","Name":"main","Module":{"Path":"m"},"Imports":["m/domains/a_b","m/infra/host","fmt"]}
{"ImportPath":"m/app","Name":"app","Module":{"Path":"m"},"Imports":["fmt"]}
{"ImportPath":"m/app/plug/lint","Name":"lint","Module":{"Path":"m"},"Imports":["m/app"]}
{"ImportPath":"m/domains/a_b","Name":"a_b","Module":{"Path":"m"},"Imports":["m/domains/a_b/plugins"]}
{"ImportPath":"m/domains/a_b/plugins","Name":"plugins","Module":{"Path":"m"},"Imports":["m/app","m/domains/c"]}
{"ImportPath":"m/domains/c","Name":"c","Module":{"Path":"m"},"Imports":["m/app"]}
{"ImportPath":"m/infra/host","Name":"host","Module":{"Path":"m"},"Imports":["m/infra/db"]}
{"ImportPath":"m/infra/db","Name":"db","Module":{"Path":"m"},"Imports":[]}
`

func TestPictures(t *testing.T) {
	t.Parallel()
	all, err := docs.ParsePackages([]byte(packages))
	require.NoError(t, err)
	for name, picture := range map[string]string{
		"rooms": docs.Rooms(all), "request": docs.RequestPath(planted(t)), "events": docs.EventFlow(planted(t)),
	} {
		require.Empty(t, checkPicture(picture), name)
		golden(t, name+".mmd", picture)
	}
	require.Contains(t, docs.Rooms(all), "room_domains_a__b --> room_domains_c\n", "imports are drawn as they are")

	for wrong, want := range map[string]string{
		"graph TD\n":                                     "first line",
		"flowchart TD\n    a_b --> c_d\n":                "c_d is not drawn",
		"flowchart TD\n    subgraph a_b[\"x\"]\n":        "is open",
		"flowchart TD\n    a_b[\"x\"y\"]\n":              "cannot be read",
		"flowchart TD\n    end\n":                        "closes nothing",
		"flowchart TD\n    a_b[\"x\"]\n    a_b(\"y\")\n": "cannot be read",
	} {
		require.Contains(t, strings.Join(checkPicture(wrong), "\n"), want, wrong)
	}
}

var (
	pictureNode  = regexp.MustCompile(`^(\w+)(?:\["[^"]*"\]|\(\["[^"]*"\]\)|\{"[^"]*"\}|\[\("[^"]*"\)\]|\{\{"[^"]*"\}\})$`)
	pictureEdge  = regexp.MustCompile(`^(\w+) (?:-->|-\.->|==>|<-->)(?:\|"[^"]*"\|)? (\w+)$`)
	pictureFrame = regexp.MustCompile(`^subgraph (\w+)\["[^"]*"\]$`)
)

// checkPicture reads a picture as the part of Mermaid's language that we write: what is drawn, frames that are closed,
// arrows between what is drawn.
func checkPicture(picture string) (problems []string) {
	lines := strings.Split(strings.TrimSuffix(picture, "\n"), "\n")
	if !regexp.MustCompile(`^flowchart (TD|LR)$`).MatchString(lines[0]) {
		return []string{"first line: " + lines[0]}
	}
	drawn, open := map[string]bool{}, 0
	var ends []string
	for _, line := range lines[1:] {
		line = strings.TrimSpace(line)
		switch {
		case line == "end" && open == 0:
			problems = append(problems, "end closes nothing")
		case line == "end":
			open--
		case pictureFrame.MatchString(line):
			drawn[pictureFrame.FindStringSubmatch(line)[1]] = true
			open++
		case pictureNode.MatchString(line):
			drawn[pictureNode.FindStringSubmatch(line)[1]] = true
		case pictureEdge.MatchString(line):
			ends = append(ends, pictureEdge.FindStringSubmatch(line)[1:]...)
		default:
			problems = append(problems, line+" cannot be read")
		}
	}
	if open > 0 {
		problems = append(problems, "a frame is open at the end")
	}
	for _, end := range ends {
		if !drawn[end] {
			problems = append(problems, end+" is not drawn")
		}
	}
	return problems
}

func TestShapes(t *testing.T) {
	t.Parallel()
	schema := planted(t).Events.Publications[0].Payload.Schema
	of := docs.Shapes{"Tree": {Type: types("object"), Properties: map[string]*manifest.Schema{"left": {Ref: manifest.RefPrefix + "Tree"}}}}.Of
	require.Equal(t, "{id: integer, note?: string ..20 or null, price: number >0 <=1000000000, raw?: base64, tags?: {*: [string] 1..}}", of(schema))
	require.Equal(t, "a|b = a", of(&manifest.Schema{Type: types("string"), Enum: []any{"a", "b"}, Default: "a"}))
	require.Equal(t, "date-time", of(&manifest.Schema{Type: types("string"), Format: "date-time"}))
	require.Equal(t, "any", of(&manifest.Schema{}))
	require.Equal(t, "{}", of(&manifest.Schema{Type: types("object")}))
	require.Equal(t, "{left?: Tree} or null", of(&manifest.Schema{AnyOf: []*manifest.Schema{{Ref: manifest.RefPrefix + "Tree"}, {Type: types("null")}}}))
}

func types(names ...string) manifest.Types { return names }

// A document is written when it is not as it should be, and not otherwise.
func TestChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := map[string][]byte{"a.md": []byte("a"), "b.md": []byte("b")}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.md"), []byte("a"), 0o600))
	changed, err := docs.Changed(dir, files)
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"b.md": []byte("b")}, changed)
	require.NoError(t, docs.Write(dir, changed))
	changed, err = docs.Changed(dir, files)
	require.NoError(t, err)
	require.Empty(t, changed)
}

// A generated part is found by its markers; what stands around it stays.
func TestReplacePart(t *testing.T) {
	t.Parallel()
	const document = "a\n<!-- rooms: generated by make docs -->\nold\n<!-- end of rooms -->\nb\n"
	text, err := docs.ReplacePart(document, "rooms", "new\n")
	require.NoError(t, err)
	require.Equal(t, strings.Replace(document, "old", "new", 1), text)
	for _, gone := range []string{"<!-- rooms: generated by make docs -->", "<!-- end of rooms -->"} {
		_, err = docs.ReplacePart(strings.Replace(document, gone, "", 1), "rooms", "new\n")
		require.ErrorContains(t, err, `find generated part "rooms"`)
	}
}
