package docs

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"plugboard/infra/host/manifest"
)

// flowchart writes a picture in Mermaid's language, https://mermaid.js.org/syntax/flowchart.html.
type flowchart struct {
	strings.Builder

	indent string
	drawn  map[string]bool
}

func newFlowchart(direction string) *flowchart {
	f := &flowchart{indent: "    ", drawn: map[string]bool{}}
	f.WriteString("flowchart " + direction + "\n")
	return f
}

func (f *flowchart) line(format string, args ...any) {
	fmt.Fprintf(f, f.indent+format+"\n", args...)
}

// Shapes of nodes: how a label is framed.
const (
	box    = `["%s"]`
	round  = `(["%s"])`
	choice = `{"%s"}`
	store  = `[("%s")]`
	query  = `{{"%s"}}`
)

// id returns the name of a node. No word of Mermaid's language can be taken for it, since none has a _ in it. Different
// names have different ids.
func id(kind, name string) string {
	var b strings.Builder
	b.WriteString(kind + "_")
	for _, r := range name {
		switch {
		case r == '_':
			b.WriteString("__")
		case r == '.' || r == '/':
			b.WriteString("_")
		case r <= 'z' && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "_%x_", r)
		}
	}
	return b.String()
}

// node draws a node once.
func (f *flowchart) node(id, shape, label string) {
	if !f.drawn[id] {
		f.drawn[id] = true
		f.line("%s"+shape, id, strings.ReplaceAll(label, `"`, "#quot;"))
	}
}

// edge draws an arrow, "-->", "-.->" or "==>", once; the label may be empty.
func (f *flowchart) edge(from, arrow, to, label string) {
	if label != "" {
		arrow += `|"` + label + `"|`
	}
	key := from + arrow + to
	if !f.drawn[key] {
		f.drawn[key] = true
		f.line("%s %s %s", from, arrow, to)
	}
}

// group draws a frame; draw draws its content.
func (f *flowchart) group(id, label string, draw func()) {
	f.line(`subgraph %s["%s"]`, id, label)
	f.indent += "    "
	draw()
	f.indent = f.indent[4:]
	f.line("end")
}

// room is where in the layout a package lies: "main", "app", "app/apptest", "domains/products", "infra/host" and so on.
func room(rel string) string {
	parts := strings.Split(rel, "/")
	switch {
	case rel == "":
		return "main"
	case len(parts) > 1 && slices.Contains([]string{"app", "domains", "infra"}, parts[0]):
		return parts[0] + "/" + parts[1]
	default:
		return parts[0]
	}
}

// frame is the frame that a room is drawn in, the room itself when it has none.
func frame(room string) string {
	switch {
	case strings.HasPrefix(room, "app/"):
		return "tools"
	case strings.Contains(room, "/"):
		before, _, _ := strings.Cut(room, "/")
		return before
	default:
		return room
	}
}

// Rooms draws which rooms import which, as the packages do. Within a frame each import is drawn, between frames one arrow
// stands for all.
func Rooms(packages []Package) string {
	inside := map[string][]string{}
	edges := map[[2]string]bool{}
	for _, p := range packages {
		from := room(p.rel())
		if !slices.Contains(inside[frame(from)], from) {
			inside[frame(from)] = append(inside[frame(from)], from)
		}
		for _, path := range p.Imports {
			rel, ours := strings.CutPrefix(path, p.Module.Path+"/")
			if to := room(rel); ours && to != from {
				edges[[2]string{from, to}] = true
			}
		}
	}
	f := newFlowchart("TD")
	for _, name := range slices.Sorted(maps.Keys(inside)) {
		slices.Sort(inside[name])
		if len(inside[name]) == 1 && inside[name][0] == name {
			f.node(id("room", name), box, roomLabel(name))
			continue
		}
		label := name
		if name == "tools" {
			label = "tools, not in the service"
		}
		f.group(id("rooms", name), label, func() {
			for _, r := range inside[name] {
				f.node(id("room", r), box, roomLabel(r))
			}
		})
	}
	at := func(room string) string {
		if frame(room) != room {
			return id("rooms", frame(room))
		}
		return id("room", room)
	}
	for _, e := range slices.SortedFunc(maps.Keys(edges), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		if frame(e[0]) == frame(e[1]) {
			f.edge(id("room", e[0]), "-->", id("room", e[1]), "")
		} else {
			f.edge(at(e[0]), "-->", at(e[1]), "")
		}
	}
	return f.String()
}

func roomLabel(room string) string {
	if room == "main" {
		return "main.go"
	}
	return room
}

// EventFlow draws events from publishers to subscribers, each plugin in its domain. A thick arrow is a subscription whose
// handler runs in the transaction that completes the delivery, a dotted one is volatile.
func EventFlow(s manifest.Service) string {
	f := newFlowchart("LR")
	talks := map[string]bool{}
	for _, p := range s.Events.Publications {
		talks[p.Plugin] = true
	}
	for _, sub := range s.Events.Subscriptions {
		talks[sub.Plugin] = true
	}
	for _, a := range s.Events.Answers {
		talks[a.Plugin] = true
	}
	for _, sc := range s.Events.Schedules {
		talks[sc.Plugin] = true
	}
	for _, d := range s.Domains {
		if !slices.ContainsFunc(d.Plugins, func(p manifest.Plugin) bool { return talks[p.Name] }) {
			continue
		}
		f.group(id("domain", d.Name), d.Name, func() {
			for _, p := range d.Plugins {
				if talks[p.Name] {
					f.node(id("plugin", p.Name), box, strings.TrimPrefix(p.Name, d.Name+"."))
				}
			}
		})
	}
	for _, p := range s.Events.Publications {
		f.node(id("topic", p.Topic), round, p.Topic)
		f.edge(id("plugin", p.Plugin), "-->", id("topic", p.Topic), "")
	}
	for _, sub := range s.Events.Subscriptions {
		f.node(id("topic", sub.Topic), round, sub.Topic)
		f.edge(id("topic", sub.Topic), arrowOf(sub), id("plugin", sub.Plugin), "")
	}
	for _, sc := range s.Events.Schedules {
		f.node(id("schedule", sc.Name), choice, sc.Spec)
		f.edge(id("schedule", sc.Name), arrowOf(sc.Subscription), id("plugin", sc.Plugin), "")
	}
	for _, a := range s.Events.Answers {
		f.node(id("query", a.Topic), query, a.Topic)
		f.edge(id("query", a.Topic), "<-->", id("plugin", a.Plugin), "")
	}
	return f.String()
}

// arrowOf is the arrow that leads to a subscriber.
func arrowOf(s manifest.Subscription) string {
	switch {
	case !s.Durable:
		return "-.->"
	case s.Tx:
		return "==>"
	default:
		return "-->"
	}
}

// RequestPath draws the way of a request, and where it may be refused, with the numbers of the registered endpoints.
func RequestPath(s manifest.Service) string {
	var kinds, guarded = map[string]int{}, 0
	var answers, timeouts []string
	for _, r := range s.Endpoints {
		kinds[r.Kind]++
		if r.Guards > 0 {
			guarded++
		}
		for _, n := range r.Statuses {
			answers = append(answers, strconv.Itoa(n))
		}
		if r.Kind != "raw" {
			timeouts = append(timeouts, r.Timeout)
		}
	}
	f := newFlowchart("TD")
	refuse := func(from, statuses string) { f.edge(from, "-.->", "at_failure", statuses) }
	f.node("at_client", round, "client")
	f.node("at_front", box, "front door: request id, access log, metrics, a panic becomes 500")
	f.node("at_routes", choice, amount(len(s.Endpoints), "route"))
	f.node("at_bind", box, "bind: each field from its source")
	f.node("at_validate", box, "validate: all violations together")
	f.node("at_failure", box, "failure in the envelope")
	f.node("at_answer", box, "success in the envelope: "+strings.Join(distinct(answers), ", "))
	f.edge("at_client", "-->", "at_front", "")
	f.edge("at_front", "-->", "at_routes", "")
	refuse("at_routes", "404, 405")
	last := "at_routes"
	if guarded > 0 {
		last = "at_guards"
		f.node(last, box, "guards of "+amount(guarded, "route"))
		f.edge("at_routes", "-->", last, "")
		refuse(last, "401, 403")
	}
	if kinds["raw"] > 0 {
		f.node("at_raw", box, amount(kinds["raw"], "raw handler")+": binds and answers itself")
		f.edge(last, "-->", "at_raw", "")
	}
	f.edge(last, "-->", "at_bind", "")
	refuse("at_bind", "400, 413, 415")
	f.edge("at_bind", "-->", "at_validate", "")
	refuse("at_validate", "422")
	f.node("at_io", box, "Execute with a context, on the request's goroutine")
	f.edge("at_validate", "-->", "at_io", amount(kinds["io"], "I/O handler"))
	f.edge("at_io", "-->", "at_answer", "")
	refuse("at_io", "the error's code; 504 after "+strings.Join(distinct(timeouts), ", "))
	f.node("at_store", store, "database and events, in one transaction")
	f.edge("at_io", "<-->", "at_store", "")
	f.node("at_pool", box, "Execute with a job, on the work pool")
	f.edge("at_validate", "-->", "at_pool", amount(kinds["cpu"], "CPU-bound handler"))
	f.edge("at_io", "-.->", "at_pool", "app.Compute")
	f.edge("at_pool", "-->", "at_answer", "")
	refuse("at_pool", "503 when it is full")
	return f.String()
}

// distinct sorts the texts and leaves out repeated and empty ones.
func distinct(texts []string) []string {
	slices.Sort(texts)
	return slices.DeleteFunc(slices.Compact(texts), func(s string) bool { return s == "" })
}

func amount(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
