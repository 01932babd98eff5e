package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"plugboard/infra/database"
	"plugboard/infra/host/application"
	"plugboard/infra/host/usage"
)

// progressEvery is how often a long command prints its progress.
const progressEvery = time.Second

func (c *Commands) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup <file>",
		Short: "Copy the SQLite database into a file, also while the service runs",
		Long: `Copies the SQLite database, as it is at one moment, into a new file; the service may run and goes on writing. The copy is
checked and on the disk before it gets its name; a file that is there is never overwritten, and a copy that is interrupted
leaves nothing behind. Only the file's owner may read it.

A Postgres database is copied by pg_dump. docs/operating.md tells how to restore either.`,
		Args: usage.AllArguments,
		RunE: Command(func(cmd *cobra.Command, args []string) error {
			a, err := c.New()
			if err != nil {
				return err
			}
			if a.DB().Dialect() != database.SQLite {
				return database.ErrNoBackup // no connection is needed to say so
			}
			return c.BesideService(cmd.Context(), func(ctx context.Context, a *application.App) error { return c.backup(ctx, a, args[0]) })
		}),
	}
}

func (c *Commands) backup(ctx context.Context, a *application.App, to string) error {
	begin := time.Now()
	told := begin
	size, err := a.DB().Backup(ctx, to, func(done, total int64) {
		if time.Since(told) >= progressEvery {
			told = time.Now()
			_, _ = fmt.Fprintf(c.stderr, "copied %s of %s\n", megabytes(done), megabytes(total)) // progress is not worth failing for
		}
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "copied %s to %s in %s; the copy is whole\n", megabytes(size), to, time.Since(begin).Round(time.Millisecond))
	return err
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
