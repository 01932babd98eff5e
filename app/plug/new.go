package main

import (
	"strings"

	"github.com/spf13/cobra"

	"plugboard/app/plug/scaffold"
	"plugboard/infra/host/usage"
)

func newCommand() *cobra.Command {
	var p scaffold.Plugin
	cmd := &cobra.Command{
		Use:   "new <domain>/<name>",
		Short: "Make a plugin and its test, and the domain where there is none",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || strings.Count(args[0], "/") != 1 {
				return usage.Errorf(cmd, "new takes the plugin's name, as in: go tool plug new products/archive_product")
			}
			return nil
		},
		RunE: command(func(cmd *cobra.Command, args []string) error {
			p.Domain, p.Name, _ = strings.Cut(args[0], "/")
			p.Method = strings.ToUpper(p.Method)
			dir, err := moduleRoot(cmd.Context())
			if err != nil {
				return err
			}
			files, err := scaffold.New(dir, p)
			return printFiles(cmd.OutOrStdout(), files, err, "Now run: make docs")
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&p.Kind, "kind", "endpoint", "endpoint, list, subscriber, schedule or cpu")
	flags.StringVar(&p.Topic, "topic", "", "the topic that a subscriber hears")
	flags.StringVar(&p.Method, "method", "", "the method of an endpoint")
	flags.StringVar(&p.Path, "path", "", "the path of an endpoint, such as /products/:id/archive")
	return cmd
}
