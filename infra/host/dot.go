package host

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// dot renders the application in Graphviz's language (https://graphviz.org/doc/info/lang.html). Private
// constructors, as plugins have them, are missing from Fx's own graph and are drawn here.
func (a *App) dot(graph fx.DotGraph) string {
	var b strings.Builder
	b.WriteString("digraph plugboard {\n\trankdir=LR;\n\tgraph [compound=true];\n\tnode [fontname=\"sans-serif\"];\n")
	a.dotDomains(&b)
	for _, p := range a.booted {
		dotPlugin(&b, p)
	}
	fmt.Fprintf(&b, "\tsubgraph cluster_fx {\n\t\tlabel=\"Fx\";\n%s\t}\n}\n", fxBody(graph))
	return b.String()
}

// dotDomains draws each domain as a box around its plugins.
func (a *App) dotDomains(b *strings.Builder) {
	for _, d := range a.inv.domains {
		fmt.Fprintf(b, "\tsubgraph %s {\n\t\tlabel=%s;\n", strconv.Quote("cluster_domain_"+d.Name), strconv.Quote(d.Name))
		for _, p := range d.plugins {
			fmt.Fprintf(b, "\t\t%s [shape=component label=%s tooltip=%s];\n",
				pluginNode(p.Info.Name), strconv.Quote(p.Info.Name), strconv.Quote(fromRoot(p.Info.Source)))
		}
		b.WriteString("\t}\n")
	}
}

func dotPlugin(b *strings.Builder, p app.BootedPlugin) {
	plugin := pluginNode(p.Boot.Plugin().Name)
	fmt.Fprintf(b, "\t%s [shape=component label=%s];\n", plugin, strconv.Quote(p.Boot.Plugin().Name))
	for _, e := range p.Boot.Endpoints() {
		route := strconv.Quote("route:" + e.Method + " " + e.Path)
		fmt.Fprintf(b, "\t%s [shape=box style=rounded label=%s];\n\t%s -> %s;\n",
			route, strconv.Quote(e.Method+" "+e.Path), route, plugin)
	}
	for _, pub := range p.Boot.Publications() {
		fmt.Fprintf(b, "\t%s -> %s;\n", plugin, topicNode(b, pub.Event.Topic()))
	}
	for _, s := range p.Boot.Subscriptions() {
		fmt.Fprintf(b, "\t%s -> %s;\n", topicNode(b, s.Subscriber.Topic()), plugin)
	}
	for _, s := range p.Boot.Schedules() {
		node := strconv.Quote("schedule:" + p.Boot.Plugin().Name + " " + s.Spec)
		fmt.Fprintf(b, "\t%s [shape=note label=%s];\n\t%s -> %s;\n", node, strconv.Quote(s.Spec), node, plugin)
	}
	for _, r := range p.Boot.Answers() {
		fmt.Fprintf(b, "\t%s -> %s [style=dotted];\n", topicNode(b, r.Responder.Topic()), plugin)
	}
	for _, need := range constructorNeeds(p.Boot.Plugin()) {
		fmt.Fprintf(b, "\t%s -> %s [style=dashed];\n", plugin, strconv.Quote(need.String()))
	}
}

func constructorNeeds(p app.PluginInfo) []reflect.Type {
	var needs []reflect.Type
	constructor := reflect.TypeOf(p.Constructor)
	for parameter := range constructor.Ins() {
		needs = append(needs, needsOf(parameter)...)
	}
	return needs
}

func pluginNode(name string) string { return strconv.Quote("plugin:" + name) }

// topicNode draws a topic, which may be drawn again without harm, and returns its node.
func topicNode(b *strings.Builder, topic string) string {
	node := strconv.Quote("topic:" + topic)
	fmt.Fprintf(b, "\t%s [shape=cds label=%s];\n", node, strconv.Quote(topic))
	return node
}

// fxBody returns what is between the braces of Fx's graph, without its settings.
func fxBody(graph fx.DotGraph) string {
	var b strings.Builder
	for line := range strings.Lines(string(graph)) {
		switch strings.TrimSpace(line) {
		case "digraph {", "rankdir=RL;", "graph [compound=true];":
		case "}":
			if strings.HasPrefix(line, "}") {
				continue
			}
			b.WriteString("\t" + line)
		default:
			b.WriteString("\t" + line)
		}
	}
	return b.String()
}

func routeRow(r httpserver.Route) string {
	return strings.Join([]string{r.Method, r.Path, r.Plugin, fromRoot(r.Source)}, "\t")
}
