package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"plugboard/app/plug/scaffold"
	"plugboard/app/plug/site"
	"plugboard/infra/host/usage"
)

func newCommand() *cobra.Command {
	var p scaffold.Plugin
	var plain bool
	cmd := &cobra.Command{
		Use:   "new <domain>/<name>",
		Short: "Make a plugin and its test, and the domain where there is none",
		Long:  newHelp(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || strings.Count(args[0], "/") != 1 {
				return usage.Errorf(cmd, "new takes the plugin's name, as in: go tool plug new products/archive_product")
			}
			return nil
		},
		RunE: command(func(cmd *cobra.Command, args []string) error {
			p.Domain, p.Name, _ = strings.Cut(args[0], "/")
			p.Method = strings.ToUpper(p.Method)
			return makePlugin(cmd, p, plain)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&p.Kind, "kind", "endpoint", "what the plugin is, from the list above")
	flags.StringVar(&p.Method, "method", "", "the method of the requests; without it GET or POST, by the name")
	flags.StringVar(&p.Path, "path", "", "the path of the requests, such as /products/:id/archive; without it made of the name")
	flags.StringVar(&p.Topic, "topic", "", "what a subscriber hears or a responder answers, such as product.created")
	flags.StringVar(&p.Access, "access", "", "who may call: public or signed_in; without it signed_in, where users can sign in and the domain does not say it")
	flags.BoolVar(&p.Ahead, "ahead", false, "make a subscriber before its publisher: nobody publishes the topic yet")
	flags.BoolVar(&plain, "no-docs", false, "do not generate the documents, as when several plugins are made one after the other")
	return cmd
}

// makePlugin makes the plugin, and generates the documents unless it is to be plain. It says what to run next.
func makePlugin(cmd *cobra.Command, p scaffold.Plugin, plain bool) error {
	in, err := findSite(cmd.Context())
	if err != nil {
		return err
	}
	files, err := scaffold.New(in, p)
	if err != nil {
		return err
	}
	untidy, err := scaffold.Untidy(in.Dir, files)
	if err != nil {
		return err
	}
	if plain {
		next := makeOr(in.Dir, "docs", "go tool plug docs")
		if untidy {
			next = "go mod tidy && " + next
		}
		return printFiles(cmd.OutOrStdout(), files, nil, "Now run: "+next)
	}
	fmt.Fprintln(cmd.OutOrStdout(), strings.Join(files, "\n"))
	if slices.ContainsFunc(files, func(name string) bool { return strings.Contains(name, "/migrations/") }) {
		fmt.Fprintln(cmd.OutOrStdout(), "The new migrations, and the model beside them, have what a template can know: edit them before the service runs and applies them.")
	}
	if err := document(cmd, in.Dir, untidy); err != nil {
		return fmt.Errorf("the plugin is made, and not documented yet: %w", err)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), "Now run: "+makeOr(in.Dir, "test", "go tool plug test"))
	return err
}

// document generates the documents of the module in dir; before that it tidies go.mod, if the new files need that.
func document(cmd *cobra.Command, dir string, untidy bool) error {
	if untidy {
		if err := goCommand(cmd.Context(), dir, cmd.OutOrStdout(), "mod", "tidy"); err != nil {
			return fmt.Errorf("tidy go.mod: %w", err)
		}
	}
	g := &generation{}
	return g.run(cmd, g.documents)
}

// newHelp lists the kinds.
func newHelp() string {
	var text strings.Builder
	text.WriteString("Makes a plugin and its test from a template, adds it to its domain's list, and makes the domain where there is none.\n\nKinds of plugins, for --kind:\n")
	for _, k := range scaffold.Kinds() {
		fmt.Fprintf(&text, "  %-12s%s\n", k.Name, k.Help)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// findSite finds the module that the command is run in, and the host that its plugins are made for.
func findSite(ctx context.Context) (scaffold.Site, error) {
	dir, err := moduleRoot(ctx)
	if err != nil {
		return scaffold.Site{}, err
	}
	found := scaffold.Site{Dir: dir, Contract: site.Contract()}
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", found.Contract) //nolint:gosec // the go command
	list.Dir = dir
	folder, err := list.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return found, fmt.Errorf("find the host: %w\n%s", err, failed.Stderr)
	}
	if err != nil {
		return found, fmt.Errorf("find the host: %w", err)
	}
	found.Host = filepath.Dir(strings.TrimSpace(string(folder)))
	return found, nil
}

// makeOr returns the command that carries out a target of the Makefile in dir, or the other command where there is none.
func makeOr(dir, target, other string) string {
	if hasTarget(dir, target) {
		return "make " + target
	}
	return other
}

// hasTarget reports whether the module in dir has a Makefile with the target.
func hasTarget(dir, target string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "Makefile")) //nolint:gosec // the module's own
	return err == nil && regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(target)+`\s*:([^=]|$)`).Match(text)
}
