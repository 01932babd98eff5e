package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"plugboard/config"
	"plugboard/infra/host/application"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/usage"
)

func (c *Commands) describeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "describe",
		Short: "Print all that the service knows of itself, as JSON",
		Long: `Prints domains, plugins, entities, routes, events, settings and commands as JSON, for the generators of documents.
It opens no port, no file and no connection.`,
		Args: usage.NoArguments,
		RunE: Command(func(cmd *cobra.Command, _ []string) error {
			a, err := c.newDescribed()
			if err != nil {
				return err
			}
			d, err := a.Manifest()
			if err != nil {
				return err
			}
			addGroups(cmd.Root(), a, nil)
			settings, err := config.List(c.environ, c.sections()...)
			if err := config.WithoutMissing(err); err != nil {
				return fmt.Errorf("describe settings: %w", err)
			}
			for _, s := range settings {
				d.Settings = append(d.Settings, manifest.Setting{
					Key: s.Key, Env: s.Env, Default: s.Default, Wanted: s.Wanted, Secret: s.Secret, Package: s.Package, Field: s.Field,
				})
			}
			d.Commands = commandsOf(cmd.Root())
			return c.printJSON(d)
		}),
	}
}

// manifest returns the manifest of the application, without settings and commands.
func (c *Commands) manifest(opts ...application.Option) (manifest.Service, error) {
	a, err := c.newDescribed(opts...)
	if err != nil {
		return manifest.Service{}, err
	}
	return a.Manifest()
}

// commandsOf lists the commands below cmd that do something themselves.
func commandsOf(cmd *cobra.Command) []manifest.Command {
	var all []manifest.Command
	for _, sub := range cmd.Commands() {
		switch {
		case sub.Hidden || sub.Name() == "help" || sub.Name() == "completion":
		case sub.HasSubCommands():
			all = append(all, commandsOf(sub)...)
		default:
			all = append(all, manifest.Command{Use: strings.TrimSuffix(sub.UseLine(), " [flags]"), Short: sub.Short})
		}
	}
	return all
}
