package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"plugboard/app/plug/lint"
	"plugboard/app/plug/site"
)

func lintCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lint [packages]",
		Short: "Hold packages against the project's rules",
		Long: `Holds the packages, ./... when none are named, against the project's rules, and prints each place where one is broken.
A line is exempted by a comment on it: //plug:allow <rule> <reason>.`,
		RunE: command(func(cmd *cobra.Command, args []string) error { return runLint(cmd.Context(), args, cmd.OutOrStdout()) }),
	}
}

// runLint prints the findings of the rules in the packages.
func runLint(ctx context.Context, patterns []string, stdout io.Writer) error {
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	found, err := lint.Check(ctx, dir, site.Contract(), patterns)
	if err != nil {
		return err
	}
	for _, f := range found {
		fmt.Fprintln(stdout, f)
	}
	if len(found) > 0 {
		places := "places"
		if len(found) == 1 {
			places = "place"
		}
		return fmt.Errorf("lint: the project's rules are broken in %d %s", len(found), places)
	}
	return nil
}
