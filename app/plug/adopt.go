package main

import (
	"github.com/spf13/cobra"

	"plugboard/app/plug/scaffold"
	"plugboard/infra/host/usage"
)

func adoptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "adopt <module>",
		Short: "Rename the module throughout",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage.Errorf(cmd, "adopt takes the new path of the module, as in: go tool plug adopt example.org/team/shop")
			}
			return nil
		},
		RunE: command(func(cmd *cobra.Command, args []string) error {
			dir, err := moduleRoot(cmd.Context())
			if err != nil {
				return err
			}
			files, err := scaffold.Adopt(dir, args[0])
			return printFiles(cmd.OutOrStdout(), files, err, "Now run: "+makeOr(dir, "check", "go vet ./..."))
		}),
	}
}
