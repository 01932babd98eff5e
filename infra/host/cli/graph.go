package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/fx"

	"plugboard/config"
	"plugboard/infra/host/application"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/usage"
)

func (c *Commands) graphCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "graph",
		Short: "Print the application as a Graphviz graph",
		Long: `Prints what the application consists of in Graphviz's language: domains, plugins, their routes, events
from publisher to subscriber, and the dependencies that Fx resolves.

  ` + config.ServiceName() + ` graph | dot -Tsvg > graph.svg`,
		Args: usage.NoArguments,
		RunE: Command(func(*cobra.Command, []string) error {
			var dot fx.DotGraph
			m, err := c.manifest(application.With(fx.Populate(&dot)))
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(c.stdout, graphOf(m, dot))
			return err
		}),
	}
}

// graphOf renders the application in Graphviz's language (https://graphviz.org/doc/info/lang.html). Private
// constructors, as plugins have them, are missing from Fx's own graph: they are drawn from the manifest.
func graphOf(m manifest.Service, fxGraph fx.DotGraph) string {
	var b strings.Builder
	b.WriteString("digraph " + strconv.Quote(config.ServiceName()) + " {\n\trankdir=LR;\n\tgraph [compound=true];\n\tnode [fontname=\"sans-serif\"];\n")
	for _, d := range m.Domains {
		drawDomain(&b, d)
	}
	for _, e := range m.Endpoints {
		route := strconv.Quote("route:" + e.Method + " " + e.Path)
		fmt.Fprintf(&b, "\t%s [shape=box style=rounded label=%s];\n\t%s -> %s;\n", route, strconv.Quote(e.Method+" "+e.Path), route, pluginNode(e.Plugin))
	}
	for _, p := range m.Events.Publications {
		fmt.Fprintf(&b, "\t%s -> %s;\n", pluginNode(p.Plugin), topicNode(&b, p.Topic))
	}
	for _, s := range m.Events.Subscriptions {
		fmt.Fprintf(&b, "\t%s -> %s;\n", topicNode(&b, s.Topic), pluginNode(s.Plugin))
	}
	for _, s := range m.Events.Schedules {
		node := strconv.Quote("schedule:" + s.Plugin + " " + s.Spec)
		fmt.Fprintf(&b, "\t%s [shape=note label=%s];\n\t%s -> %s;\n", node, strconv.Quote(s.Spec), node, pluginNode(s.Plugin))
	}
	for _, l := range m.Loops {
		node := strconv.Quote("loop:" + l.Name)
		fmt.Fprintf(&b, "\t%s [shape=doublecircle label=%s];\n", node, strconv.Quote(l.Name))
		if l.Plugin != "" {
			fmt.Fprintf(&b, "\t%s -> %s;\n", node, pluginNode(l.Plugin))
		}
	}
	for _, a := range m.Events.Answers {
		fmt.Fprintf(&b, "\t%s -> %s [style=dotted];\n", topicNode(&b, a.Topic), pluginNode(a.Plugin))
	}
	fmt.Fprintf(&b, "\tsubgraph cluster_fx {\n\t\tlabel=\"Fx\";\n%s\t}\n}\n", fxBody(fxGraph))
	return b.String()
}

// drawDomain draws a domain as a box around its plugins. Plugins outside of a domain, whose name is "", have no box.
func drawDomain(b *strings.Builder, d manifest.Domain) {
	if d.Name != "" {
		fmt.Fprintf(b, "\tsubgraph %s {\n\t\tlabel=%s;\n", strconv.Quote("cluster_domain_"+d.Name), strconv.Quote(d.Name))
	}
	for _, p := range d.Plugins {
		fmt.Fprintf(b, "\t\t%s [shape=component label=%s tooltip=%s];\n", pluginNode(p.Name), strconv.Quote(p.Name), strconv.Quote(p.Source))
	}
	if d.Name != "" {
		b.WriteString("\t}\n")
	}
	for _, p := range d.Plugins {
		for _, need := range p.Needs {
			fmt.Fprintf(b, "\t%s -> %s [style=dashed];\n", pluginNode(p.Name), strconv.Quote(need))
		}
	}
}

func pluginNode(name string) string { return strconv.Quote("plugin:" + name) }

// topicNode draws a topic and returns its node. Graphviz takes a node that is drawn twice for one.
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
