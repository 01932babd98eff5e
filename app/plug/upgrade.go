package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/semver"

	"plugboard/app/plug/site"
	"plugboard/app/plug/upgrade"
	"plugboard/infra/host/usage"
)

func upgradeCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "upgrade [version]",
		Short: "Bring the service to another version of the host",
		Long: `Raises the requirement in go.mod, and the copy in vendor/ where there is one; gives what the host has renamed its new
name in the service's files, without touching anything else in them; generates the documents anew; runs the checks; and
says what is left to do by hand, and where that is described. Without a version it takes the newest.`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case from != "" && len(args) > 0:
				return usage.Errorf(cmd, "give a version or --from, not both")
			case from != "" && !semver.IsValid(from):
				return usage.Errorf(cmd, "--from is %q; it must be a version such as v0.1.0", from)
			}
			return usage.OneArgument(cmd, args)
		},
		RunE: command(func(cmd *cobra.Command, args []string) error {
			dir, err := moduleRoot(cmd.Context())
			if err != nil {
				return err
			}
			u := &upgrading{dir: dir, host: site.Host(), out: cmd.OutOrStdout()}
			if from != "" {
				return u.adapt(cmd.Context(), from)
			}
			version := "latest"
			if len(args) > 0 {
				version = args[0]
			}
			return u.raise(cmd.Context(), version)
		}),
	}
	cmd.Flags().StringVar(&from, "from", "", "do not raise the requirement; adapt the service to the required version, as coming from this one")
	return cmd
}

// upgrading is one upgrade of the service in dir.
type upgrading struct {
	dir, host string
	out       io.Writer
}

// required is what the go command says of a module that is required.
type required struct{ version, replaced, dir string }

func (u *upgrading) required(ctx context.Context) (required, error) {
	text, err := u.output(ctx, "list", "-mod=mod", "-m", "-f", "{{.Main}}\n{{.Version}}\n{{with .Replace}}{{.Path}}{{end}}\n{{.Dir}}", u.host)
	if err != nil {
		return required{}, err
	}
	const fields = 4
	lines := strings.SplitN(strings.TrimSuffix(text, "\n"), "\n", fields)
	if len(lines) != fields || lines[0] == "true" {
		return required{}, errors.New("this module is the host itself; run the command in a service that requires it")
	}
	return required{version: lines[1], replaced: lines[2], dir: lines[3]}, nil
}

// raise raises the requirement, and has the plug of the new version do the rest: that one knows what changed.
func (u *upgrading) raise(ctx context.Context, version string) error {
	before, err := u.required(ctx)
	if err != nil {
		return err
	}
	if before.replaced != "" {
		return fmt.Errorf("go.mod takes the host from %s; take the replace out to require a version, or adapt the service to that folder with: "+
			"go tool plug upgrade --from %s", before.replaced, before.version)
	}
	files, err := u.keep()
	if err != nil {
		return err
	}
	if err := u.run(ctx, "get", u.host+"@"+version); err != nil {
		return fmt.Errorf("raise the requirement: %w", err)
	}
	if err := u.settle(ctx); err != nil {
		return errors.Join(err, u.restore(ctx, files))
	}
	err = u.run(ctx, "tool", "plug", "upgrade", "--from", before.version)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == exitUnadapted {
		return errors.Join(fmt.Errorf("the service is not adapted, and requires %s %s as before", u.host, before.version), u.restore(ctx, files))
	}
	return err
}

// keep reads the files that say what is required.
func (u *upgrading) keep() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(u.dir, name)) //nolint:gosec // the service's
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		files[name] = text
	}
	return files, nil
}

// restore puts the files back, and vendor/ with them.
func (u *upgrading) restore(ctx context.Context, files map[string][]byte) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(u.dir, name), text, 0o644); err != nil { //nolint:gosec // a source; it keeps its mode
			return fmt.Errorf("put %s back: %w", name, err)
		}
	}
	return u.vendor(ctx)
}

// settle makes go.mod, go.sum and vendor/ agree.
func (u *upgrading) settle(ctx context.Context) error {
	if err := u.run(ctx, "mod", "tidy"); err != nil {
		return fmt.Errorf("tidy go.mod: %w", err)
	}
	return u.vendor(ctx)
}

// vendor makes the folder vendor agree with go.mod, where there is one.
func (u *upgrading) vendor(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(u.dir, "vendor", "modules.txt")); err == nil {
		if err := u.run(ctx, "mod", "vendor"); err != nil {
			return fmt.Errorf("copy the modules to vendor: %w", err)
		}
	}
	return nil
}

// adapt adapts the service to the required version.
func (u *upgrading) adapt(ctx context.Context, from string) error {
	now, err := u.required(ctx)
	if err != nil {
		return err
	}
	result, err := upgrade.Rewrite(ctx, u.dir, u.host)
	if err != nil {
		u.tellNotes(now, from)
		return &failure{err: fmt.Errorf("rename what the host has renamed: %w%s", err, byWayOf(from, now.version)), code: exitUnadapted}
	}
	for _, file := range result.Changed {
		fmt.Fprintln(u.out, file)
	}
	failed := u.check(ctx)
	if len(result.Left) > 0 {
		fmt.Fprintln(u.out, "\nLeft for you:")
		for _, r := range result.Left {
			fmt.Fprintf(u.out, "  %s:%d: %s\n", r.File, r.Line, r.Text)
		}
	}
	u.tellNotes(now, from)
	if failed != nil {
		return fmt.Errorf("the service requires %s %s now, and its checks fail: %w", u.host, now.version, failed)
	}
	fmt.Fprintf(u.out, "\nThe service requires %s %s now, and its checks pass.\n", u.host, now.version)
	return nil
}

// byWayOf says through which versions to go when an old name may be gone already: it is kept for two minor versions.
func byWayOf(from, to string) string {
	if semver.Compare(from, to) > 0 {
		return "\n" + to + " is lower than " + from + ": names that are newer are not known there; rename them by hand"
	}
	if semver.MajorMinor(from) == semver.MajorMinor(to) {
		return ""
	}
	return "\nan old name works for two minor versions: when some lie between " + from + " and " + to + ", upgrade to them one after the other"
}

// tellNotes says what the host's changelog tells of the versions between.
func (u *upgrading) tellNotes(now required, from string) {
	name := filepath.Join(now.dir, "CHANGELOG.md")
	text, err := os.ReadFile(name) //nolint:gosec // the host's
	if err != nil {
		return // the module has none
	}
	notes, err := upgrade.Notes(string(text), from, now.version)
	if err != nil || len(notes) == 0 {
		return // a folder, which is no version
	}
	fmt.Fprintf(u.out, "\nWhat changed for services, from %s:\n", name)
	for _, n := range notes {
		fmt.Fprintf(u.out, "\n%s, %s\n%s\n", n.Version, n.Date, n.Text)
	}
}

// check generates the documents, and runs what the service's continuous integration runs.
func (u *upgrading) check(ctx context.Context) error {
	if err := u.run(ctx, "tool", "plug", "docs"); err != nil {
		return fmt.Errorf("generate the documents: %w", err)
	}
	if hasTarget(u.dir, "check") {
		cmd := exec.CommandContext(ctx, "make", "check")
		cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = u.dir, u.out, u.out, alone()
		return cmd.Run()
	}
	for _, args := range []string{"vet ./...", "tool plug lint ./...", "test ./..."} {
		if err := u.run(ctx, strings.Fields(args)...); err != nil {
			return fmt.Errorf("go %s: %w", args, err)
		}
	}
	return nil
}

// run runs the go command, which tells what it does.
func (u *upgrading) run(ctx context.Context, args ...string) error {
	fmt.Fprintln(u.out, "go", strings.Join(args, " "))
	return goCommand(ctx, u.dir, u.out, args...)
}

func (u *upgrading) output(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the go command
	cmd.Dir, cmd.Env = u.dir, alone()
	text, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, strings.TrimSpace(string(exit.Stderr)))
	}
	return string(text), err
}
