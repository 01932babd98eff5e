// Command plug is the developer's command, run as "go tool plug".
//
// It lints the project, writes its documents, makes plugins and domains, and renames the module. The service never links it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"plugboard/app/plug/lint"
	"plugboard/app/plug/scaffold"
	"plugboard/infra/host/openapi"
)

const usage = `usage: go tool plug <command>

  lint [packages]    hold the packages (./... without any) against the project's rules
  annotate [-check]  write swag's annotations above the handlers, from what the service registers;
                     with -check fail when they would change, or docs/ has a schema that two domains name alike
  docs [-check]      annotate, and write from annotations and service docs/swagger.json and .yaml, docs/openapi.json,
                     docs/asyncapi.yaml, docs/AI_CONTEXT.md and the pictures of docs/architecture.md;
                     with -check fail when any of it would change
  docs -old <file>   print an OpenAPI document of version 3.1 in version 3.0
  new <domain>/<name> [--kind endpoint|list|subscriber|schedule|cpu] [--topic T] [--method M] [--path P]
                     make a plugin and its test, and the domain where there is none
  adopt <module>     rename the module throughout
`

func main() {
	if lint.IsVetCall(os.Args[1:]) {
		lint.Vet()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "plug:", err)
		os.Exit(1) //nolint:forbidigo // a command's exit code
	}
}

// run carries out one command.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("there is no command to carry out\n%s", usage)
	}
	switch args[0] {
	case "lint":
		return runLint(ctx, args[1:], stdout)
	case "annotate":
		return runAnnotate(ctx, args[1:], stdout)
	case "docs":
		if len(args) == 3 && args[1] == "-old" {
			return runOld(args[2], stdout)
		}
		return runDocs(ctx, args[1:], stdout)
	case "new":
		return runNew(ctx, args[1:], stdout)
	case "adopt":
		return runAdopt(ctx, args[1:], stdout)
	case "help", "-h", "--help":
		_, err := io.WriteString(stdout, usage)
		return err
	default:
		return fmt.Errorf("there is no command %q\n%s", args[0], usage)
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
	found, err := lint.Check(ctx, dir, patterns)
	if err != nil {
		return err
	}
	for _, f := range found {
		fmt.Fprintln(stdout, f)
	}
	if len(found) > 0 {
		return fmt.Errorf("lint: the project's rules are broken in %d places", len(found))
	}
	return nil
}

// runOld prints a document in the words of the version before.
func runOld(file string, stdout io.Writer) error {
	document, err := os.ReadFile(file) //nolint:gosec // the caller's
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	old, err := openapi.Old(document)
	if err != nil {
		return err
	}
	_, err = stdout.Write(old)
	return err
}

// runNew makes a plugin.
func runNew(ctx context.Context, args []string, stdout io.Writer) error {
	var p scaffold.Plugin
	flags := flag.NewFlagSet("new", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&p.Kind, "kind", "endpoint", "")
	flags.StringVar(&p.Topic, "topic", "", "")
	flags.StringVar(&p.Method, "method", "", "")
	flags.StringVar(&p.Path, "path", "", "")
	var names []string
	for len(args) > 0 { // flags may stand on both sides of the name
		if err := flags.Parse(args); err != nil {
			return fmt.Errorf("read flags: %w\n%s", err, usage)
		}
		if args = flags.Args(); len(args) > 0 {
			names, args = append(names, args[0]), args[1:]
		}
	}
	if len(names) != 1 || strings.Count(names[0], "/") != 1 {
		return errors.New("new takes the plugin's name, as in: go tool plug new products/archive_product")
	}
	p.Domain, p.Name, _ = strings.Cut(names[0], "/")
	p.Method = strings.ToUpper(p.Method)
	dir, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	files, err := scaffold.New(dir, p)
	return printFiles(stdout, files, err, "Now run: make docs")
}

// runAdopt renames the module.
func runAdopt(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return errors.New("adopt takes the new path of the module, as in: go tool plug adopt example.org/team/shop")
	}
	dir, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	files, err := scaffold.Adopt(dir, args[0])
	return printFiles(stdout, files, err, "Now run: make check")
}

func printFiles(stdout io.Writer, files []string, err error, next string) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s\n%s\n", strings.Join(files, "\n"), next)
	return err
}

// moduleRoot returns the folder of the module that the command is run in.
func moduleRoot(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find module: %w", err)
	}
	file := strings.TrimSpace(string(text))
	if filepath.Base(file) != "go.mod" {
		return "", errors.New("find module: this folder is in no module; go to the project's folder")
	}
	return filepath.Dir(file), nil
}
