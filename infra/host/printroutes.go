package host

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.uber.org/fx"
)

func (c *Commands) routesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "routes",
		Short: "List the routes and the plugins that serve them",
		Args:  noArguments,
		RunE: Command(func(*cobra.Command, []string) error {
			a, err := c.New()
			if err != nil {
				return err
			}
			return c.printRoutes(a, asJSON)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print all that is known of each route, as JSON")
	return cmd
}

func (c *Commands) printRoutes(a *App, asJSON bool) error {
	if asJSON {
		endpoints, components, err := a.endpoints()
		if err != nil {
			return err
		}
		return c.printJSON(map[string]any{"endpoints": endpoints, "components": components})
	}
	routes, err := a.Routes()
	if err != nil {
		return err
	}
	return tableOf(c, "METHOD\tPATH\tPLUGIN\tSOURCE", routes, routeRow)
}

func (c *Commands) graphCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "graph",
		Short: "Print the application as a Graphviz graph",
		Long: `Prints what the application consists of in Graphviz's language: domains, plugins, their routes, events
from publisher to subscriber, and the dependencies that Fx resolves.

  plugboard graph | dot -Tsvg > graph.svg`,
		Args: noArguments,
		RunE: Command(func(*cobra.Command, []string) error {
			var dot fx.DotGraph
			o := c.options
			o.dot = &dot
			a, err := c.newApp(o)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(c.stdout, a.dot(dot))
			return err
		}),
	}
}

// tableOf writes rows under a head; columns are separated by tabs.
func tableOf[T any](c *Commands, head string, rows []T, row func(T) string) error {
	t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, head) // a tabwriter reports its errors on Flush
	for _, r := range rows {
		_, _ = fmt.Fprintln(t, row(r))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	return nil
}
