package testrun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// machine is what tests need of the machine.
type machine struct {
	stderr io.Writer
	// look returns the path of a command.
	look func(command string) (string, error)
	// glob returns the paths that match a pattern.
	glob func(pattern string) ([]string, error)
	// install installs Debian's packages. It is nil when that cannot be done.
	install func(ctx context.Context, packages ...string) error
}

// thisMachine is the machine of this process.
func thisMachine(stderr io.Writer) machine {
	m := machine{stderr: stderr, look: exec.LookPath, glob: filepath.Glob}
	if _, err := exec.LookPath("apt-get"); err == nil && os.Getuid() == 0 {
		m.install = m.aptGet
	}
	return m
}

// aptGet installs Debian's packages.
func (m machine) aptGet(ctx context.Context, packages ...string) error {
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...) //nolint:gosec // packages of this file
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = m.stderr, m.stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	return nil
}

func (m machine) say(format string, args ...any) {
	fmt.Fprintf(m.stderr, "test: "+format+"\n", args...)
}

// tryInstall installs packages where that can be done, and reports whether it did.
func (m machine) tryInstall(ctx context.Context, what string, packages ...string) bool {
	if m.install == nil {
		return false
	}
	m.say("there is no %s; installing Debian's %s", what, strings.Join(packages, ", "))
	if err := m.install(ctx, packages...); err != nil {
		m.say("%v", err)
		return false
	}
	return true
}

// canDetectRaces reports whether there is a C compiler, which the race detector needs. It says loudly when there is none.
func (m machine) canDetectRaces(ctx context.Context, dir string) bool {
	compiler := "cc"
	cmd := exec.CommandContext(ctx, "go", "env", "CC")
	cmd.Dir = dir
	if output, err := cmd.Output(); err == nil {
		if words := strings.Fields(string(output)); len(words) > 0 {
			compiler = words[0]
		}
	}
	return m.hasCompiler(ctx, compiler)
}

func (m machine) hasCompiler(ctx context.Context, compiler string) bool {
	if _, err := m.look(compiler); err == nil {
		return true
	}
	if m.tryInstall(ctx, "C compiler", "gcc", "libc6-dev") {
		if _, err := m.look(compiler); err == nil {
			return true
		}
	}
	m.say("NO C COMPILER (%s), WHICH THE RACE DETECTOR NEEDS: THE TESTS RUN WITHOUT IT, AND FIND NO RACES. "+
		"Install one (Debian: apt-get install gcc libc6-dev; Fedora: dnf install gcc; macOS: xcode-select --install)", compiler)
	return false
}

// errNoServer says what to do without a Postgres server.
var errNoServer = errors.New("there is no Postgres server on this machine: install one (Debian: apt-get install postgresql; Fedora: dnf install " +
	"postgresql-server; macOS: brew install postgresql), or set " + URLVariable + " to a server of your own; go test ./... runs the SQLite half alone")

// postgres returns the folder of the newest Postgres server's programs, which it installs where that can be done.
func (m machine) postgres(ctx context.Context) (string, error) {
	if bin, ok := m.findPostgres(); ok {
		return bin, nil
	}
	if m.tryInstall(ctx, "Postgres server", "postgresql") {
		if bin, ok := m.findPostgres(); ok {
			return bin, nil
		}
	}
	return "", errNoServer
}

// findPostgres looks where the systems' packages put servers, which are not in the search path, and then in the search path.
func (m machine) findPostgres() (string, bool) {
	var found []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
	} {
		bins, _ := m.glob(pattern) // the patterns are right
		found = append(found, bins...)
	}
	slices.SortStableFunc(found, func(a, b string) int { return versionIn(b) - versionIn(a) })
	if path, err := m.look("initdb"); err == nil {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target
		}
		found = append(found, filepath.Dir(path))
	}
	for _, bin := range found {
		_, initdb := m.look(filepath.Join(bin, "initdb"))
		_, server := m.look(filepath.Join(bin, "postgres"))
		if initdb == nil && server == nil {
			return bin, true
		}
	}
	return "", false
}

var firstNumber = regexp.MustCompile(`\d+`)

// versionIn returns the version that a path names, 0 without one.
func versionIn(path string) int {
	n, _ := strconv.Atoi(firstNumber.FindString(path))
	return n
}
