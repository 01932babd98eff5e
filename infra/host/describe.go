package host

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.uber.org/fx"

	"plugboard/infra/host/description"
	"plugboard/infra/httpserver"
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
	routes, err := a.Routes()
	if err != nil {
		return err
	}
	if !asJSON {
		return tableOf(c, "METHOD\tPATH\tPLUGIN\tSOURCE", routes, routeRow)
	}
	return c.printJSON(routesForJSON(routes))
}

func routesForJSON(routes []httpserver.Route) []description.Route {
	all := make([]description.Route, len(routes))
	for i, r := range routes {
		all[i] = description.Route{
			Method: r.Method, Path: r.Path, Plugin: r.Plugin, Source: fromRoot(r.Source), Kind: r.Kind, Statuses: r.Statuses,
			Failures: failuresOf(r), Timeout: r.Timeout.String(), BodyLimit: r.BodyLimit, Accepts: r.Accepts, Binary: r.Binary,
			Tags: r.Options.Tags, Guards: len(r.Options.Guards), Security: r.Options.Security, Strict: r.Options.Strict, Fields: fieldsOf(r),
		}
		for _, code := range r.Fails {
			all[i].Fails = append(all[i].Fails, string(code))
		}
		if r.Request != nil {
			all[i].Request, all[i].Response = r.Request.String(), r.Response.String()
		}
		if r.Response != nil && !r.Binary {
			all[i].Data = answerSchemas().of(r.Response)
		}
	}
	return all
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
