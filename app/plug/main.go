// Command plug is the developer's command, run as "go tool plug": it lints, annotates and makes plugins. It is never
// linked into the service.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"

	"plugboard/app/plug/lint"
)

const usage = `usage: go tool plug <command>

  lint [packages]   hold the packages (./... without any) against the project's rules
`

func main() {
	if lint.IsVetCall(os.Args[1:]) {
		lint.Vet()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "plug:", err)
		os.Exit(1) //nolint:forbidigo // a command's exit code
	}
}

// run carries out one command.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("there is no command to carry out\n%s", usage)
	}
	switch args[0] {
	case "lint":
		return runLint(ctx, args[1:], stdout, stderr)
	case "help", "-h", "--help":
		_, err := io.WriteString(stdout, usage)
		return err
	default:
		return fmt.Errorf("there is no command %q\n%s", args[0], usage)
	}
}

// runLint has go vet run the rules, which keeps what it found of packages that have not changed.
func runLint(ctx context.Context, packages []string, stdout, stderr io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own executable: %w", err)
	}
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"vet", "-vettool=" + self}, packages...)...) //nolint:gosec // its own path
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("lint: %w", err)
	}
	return nil
}
