package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"plugboard/app/plug/extract"
	"plugboard/app/plug/site"
	"plugboard/app/plug/upgrade"
	"plugboard/infra/host/usage"
)

func extractCommand() *cobra.Command {
	var base string
	cmd := &cobra.Command{
		Use:   "extract <module>",
		Short: "Turn a clone of the host into a service that requires it",
		Long: `Turns a clone of the host's repository, in which domains of one's own were made, into a service of its own module
that requires the host. Run it in the clone, with everything committed. The host's files are removed; they stay in the
repository's history. Domains that are new or were changed stay; those that are as they were come from the host's module
from now on. What cannot be carried over is told in the end.`,
		Example: "  go run " + site.Host() + "/app/plug@latest extract example.org/shop --base 1f0c2d3",
		Args: func(cmd *cobra.Command, args []string) error {
			if base == "" {
				return usage.Errorf(cmd, "extract needs --base, the last commit of the host in the history of this clone")
			}
			return one("the path of the service's module, as in: extract example.org/shop --base 1f0c2d3")(cmd, args)
		},
		RunE: command(func(cmd *cobra.Command, args []string) error {
			return runExtract(cmd.Context(), args[0], base, cmd.OutOrStdout())
		}),
	}
	cmd.Flags().StringVar(&base, "base", "", "the last commit of the host in the history of this clone")
	return cmd
}

func runExtract(ctx context.Context, module, base string, stdout io.Writer) error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	s, err := site.New(module, dir)
	if err != nil {
		return err
	}
	if s.Replace != "" && overlap(s.Replace, dir) {
		return fmt.Errorf("plug was built from the clone in %s, which would lose the host that the service requires; run the plug of a published host, or that of another clone", dir)
	}
	hosted, err := hostedDomains(ctx, s)
	if err != nil {
		return err
	}
	service, err := extract.Plan(ctx, dir, base, s, hosted)
	if err != nil {
		return fmt.Errorf("extract service: %w", err)
	}
	left, err := service.Write()
	if err != nil {
		return fmt.Errorf("extract service: %w", err)
	}
	unfinished := finishExtracted(ctx, &upgrading{dir: dir, host: s.Host, out: stdout})
	tellExtracted(stdout, service, append(left, unfinished.left...))
	return unfinished.err
}

// overlap reports whether one of the folders is the other, or lies in it.
func overlap(one, other string) bool {
	within := func(inner, outer string) bool {
		rel, err := filepath.Rel(outer, inner)
		return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
	}
	one, other = resolved(one), resolved(other)
	return within(one, other) || within(other, one)
}

// resolved is the path without symbolic links, where that can be told.
func resolved(folder string) string {
	if target, err := filepath.EvalSymlinks(folder); err == nil {
		return target
	}
	return folder
}

// unfinished is what could not be finished.
type unfinished struct {
	left []string // sentences
	err  error
}

// finishExtracted makes the service whole: its requirements, the present names of what the host has renamed, its documents. It
// returns what is left to do.
func finishExtracted(ctx context.Context, u *upgrading) (rest unfinished) {
	const again = "%s failed; mend what it says above and run it again"
	if err := u.settle(ctx); err != nil {
		return unfinished{[]string{fmt.Sprintf(again, "go mod tidy")}, fmt.Errorf("the service is extracted, and not finished: %w", err)}
	}
	result, err := upgrade.Rewrite(ctx, u.dir, u.host)
	if err != nil {
		fmt.Fprintln(u.out, err)
		rest.err = errors.New("the service is extracted, and does not compile yet")
		rest.left = append(rest.left, "the service does not compile yet, see above; then run: go tool plug upgrade --from v0.0.0, which renames what the host has renamed")
	} else {
		for _, r := range result.Left {
			rest.left = append(rest.left, fmt.Sprintf("%s:%d: %s", r.File, r.Line, r.Text))
		}
	}
	if err := u.run(ctx, "tool", "plug", "docs"); err != nil {
		rest.left = append(rest.left, fmt.Sprintf(again, "go tool plug docs"))
		rest.err = errors.Join(rest.err, errors.New("the documents are not made"))
	}
	return rest
}

// tellExtracted says what became of the clone, and what is left to do.
func tellExtracted(stdout io.Writer, v *extract.Service, left []string) {
	fmt.Fprintf(stdout, "\nDomains of your own: %s\n", strings.Join(v.Own, ", "))
	if len(v.Hosted) > 0 {
		fmt.Fprintf(stdout, "Domains as the host has them, now from its module: %s; take them out of main.go when you do not need them\n", strings.Join(v.Hosted, ", "))
	}
	if len(v.Edits) > 0 {
		left = append(left, "the clone changed these files of the host, and the changes are not carried over: "+strings.Join(v.Edits, ", "))
		left = append(left, fmt.Sprintf("see them with: git diff %s %s -- %s", v.Base, v.Head, strings.Join(v.Edits, " ")))
	}
	left = append(left, fmt.Sprintf("the database is sqlite:data/%s.db unless APP_DATABASE_URL says otherwise; a service that used another file goes on with it "+
		"when APP_DATABASE_URL names that", v.Site.Name()))
	fmt.Fprintf(stdout, "\nLeft for you:\n- %s\n\nNow run: make check\n", strings.Join(left, "\n- "))
}

// hostedDomains returns the domains of the host's module that s requires.
func hostedDomains(ctx context.Context, s site.Site) ([]string, error) {
	dir := s.Replace
	if dir == "" {
		text, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", s.Host+"@"+s.Version).Output() //nolint:gosec // the host's path and version
		var module struct{ Dir, Error string }
		if jsonErr := json.Unmarshal(text, &module); err != nil || jsonErr != nil {
			return nil, fmt.Errorf("download the host: %w", errors.Join(err, jsonErr, errors.New(module.Error)))
		}
		dir = module.Dir
	}
	folders, err := filepath.Glob(filepath.Join(dir, "domains", "*"))
	if err != nil {
		return nil, fmt.Errorf("list the host's domains: %w", err)
	}
	for i, folder := range folders {
		folders[i] = filepath.Base(folder)
	}
	return folders, nil
}
