package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"plugboard/infra/host/manifest"
	"plugboard/infra/host/usage"
)

func (c *Commands) routesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "routes",
		Short: "List the routes and the plugins that serve them",
		Args:  usage.NoArguments,
		RunE: Command(func(*cobra.Command, []string) error {
			m, err := c.manifest()
			switch {
			case err != nil:
				return err
			case asJSON:
				return c.printJSON(map[string]any{"endpoints": m.Endpoints, "components": m.Components})
			}
			return tableOf(c, "METHOD\tPATH\tACCESS\tPLUGIN\tSOURCE", m.Endpoints, func(e manifest.Endpoint) string {
				return strings.Join([]string{e.Method, e.Path, accessOf(e), e.Plugin, e.Source}, "\t")
			})
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print all that is known of each route, as JSON")
	return cmd
}

// accessOf says in a word who may call an endpoint.
func accessOf(e manifest.Endpoint) string {
	switch e.Access {
	case "can":
		return e.Permission
	case "signed_in":
		return "signed in"
	default:
		return e.Access
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
