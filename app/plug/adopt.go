package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/mod/modfile"

	"plugboard/app/plug/scaffold"
	"plugboard/config"
)

// nameOfModule returns the name of the service in dir.
func nameOfModule(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // the module's own
	if err != nil {
		return ""
	}
	return config.NameOf(modfile.ModulePath(text))
}

func adoptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "adopt <module>",
		Short: "Rename the module throughout",
		Args:  one("the new path of the module, as in: go tool plug adopt example.org/team/shop"),
		RunE: command(func(cmd *cobra.Command, args []string) error {
			dir, err := moduleRoot(cmd.Context())
			if err != nil {
				return err
			}
			before := nameOfModule(dir)
			files, err := scaffold.Adopt(dir, args[0])
			next := "Now run: " + makeOr(dir, "docs", "go tool plug docs") + " && " + makeOr(dir, "check", "go vet ./...")
			if now := config.NameOf(args[0]); now != before {
				next = fmt.Sprintf("The service is called %s now, and its database is sqlite:data/%[1]s.db unless APP_DATABASE_URL says otherwise; it was data/%s.db.\n%s",
					now, before, next)
			}
			return printFiles(cmd.OutOrStdout(), files, err, next)
		}),
	}
}
