package cli

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/host/application"
	"plugboard/infra/host/usage"
)

func (c *Commands) migrateCommand() *cobra.Command {
	var (
		status  bool
		approve []string
		by      string
	)
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Run the database migrations",
		Long: `Runs the migrations of the event bus and of all domains that have not been run. The service does so by
itself at start unless APP_DATABASE_MIGRATE is false.

A file that was edited after it was run, or that is gone, is an error, and the service does not start:
the database may not have what the files say. When the database is right as it is, --approve says so
for one file; the database remembers who did, and when.`,
		Example: "  " + config.ServiceName() + " migrate --approve products/00001_create_products.sql --by jo",
		Args: func(cmd *cobra.Command, args []string) error {
			if status && len(approve) > 0 {
				return usage.Errorf(cmd, "give --status or --approve, not both")
			}
			return usage.NoArguments(cmd, args)
		},
		RunE: Command(func(cmd *cobra.Command, _ []string) error {
			return c.WithDatabase(cmd.Context(), func(ctx context.Context, a *application.App) error {
				limited, cancel := context.WithTimeout(ctx, a.Config().Lifecycle.MigrationTimeout)
				defer cancel()
				if err := changeMigrations(limited, a, status, approve, by); err != nil {
					return err
				}
				return c.printMigrations(ctx, a)
			})
		}),
	}
	cmd.Flags().BoolVar(&status, "status", false, "run nothing; show what has been run and what has not")
	cmd.Flags().StringArrayVar(&approve, "approve", nil, "run nothing; approve that the file of a migration, \"domain/file\", was edited or is gone")
	cmd.Flags().StringVar(&by, "by", "", "who approves (default the user of the operating system)")
	return cmd
}

// changeMigrations runs or approves migrations, or does nothing when only their status is asked for.
func changeMigrations(ctx context.Context, a *application.App, status bool, approve []string, by string) error {
	switch {
	case status:
		return nil
	case len(approve) == 0:
		if err := a.DB().Migrate(ctx, a.Migrations()); err != nil {
			return fmt.Errorf("run the migrations: %w", err)
		}
		return nil
	}
	if by == "" {
		current, err := user.Current()
		if err != nil || current.Username == "" {
			return errors.New("the name of the user is not known: tell who approves with --by")
		}
		by = current.Username
	}
	if err := a.DB().ApproveMigrations(ctx, a.Migrations(), approve, by); err != nil {
		return fmt.Errorf("approve migrations: %w", err)
	}
	return nil
}

func (c *Commands) printMigrations(ctx context.Context, a *application.App) error {
	list, err := a.DB().MigrationStatus(ctx, a.Migrations())
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	return tableOf(c, "DOMAIN\tMIGRATION\tSTATE", list, migrationRow)
}

func migrationRow(m database.MigrationState) string {
	const layout = "2006-01-02 15:04:05Z07:00"
	state := "not run"
	if m.Applied {
		state = "run " + m.AppliedAt.Format(layout)
	}
	switch {
	case m.Edited:
		state += ", EDITED since"
	case m.Gone:
		state += ", its file is GONE"
	}
	if m.ApprovedBy != "" {
		state += ", approved by " + m.ApprovedBy + " " + m.ApprovedAt.Format(layout)
	}
	file := m.File
	switch {
	case file == "" && m.Recorded != "":
		file = fmt.Sprintf("version %d, %s, of another version of the service", m.Version, m.Recorded)
	case file == "":
		file = fmt.Sprintf("version %d, of another version of the service", m.Version)
	}
	return strings.Join([]string{m.Domain, file, state}, "\t")
}
