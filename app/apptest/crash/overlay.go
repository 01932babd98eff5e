package main

import (
	"context"
	_ "embed" // the sabotage package
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// sabotageSource is the package that the code of the points calls.
//
//go:embed overlay/sabotage.go.txt
var sabotageSource string

// point is the code for the lines "//crash:point <name>" of the sources. A build with crash points has the code in the
// place of the lines.
//
// A line may end with ": " and arguments: Go expressions without spaces. At a place where the process may die, one
// argument is allowed, a condition: the process dies there only when it holds. The code of a mistake has $1, $2, … for
// its arguments. Otherwise it names nothing of the file but Go's own words and the package sabotage. Code stays on one
// line, so that stacks show the line numbers of the sources.
type point struct {
	name string
	// lines is how many lines of the sources have the name.
	lines int
	// mistake is the code; "" for a place where the process may die.
	mistake string
}

// points are all crash points. Unless a variable of the environment asks for one, a build with points behaves like the
// released one; see the package sabotage.
func points() []point {
	return []point{
		{"after row", 1, ""},
		{"after outbox row", 1, ""},
		{"after commit", 1, ""},
		{"after claim", 1, ""},
		{"after effect", 2, ""},
		{"after transactional effect", 2, ""},
		{"before completion", 1, ""},
		{"after completion", 1, ""},
		{"during dead-lettering", 1, ""},
		{"during replay", 1, ""},
		// A handler ends its process.
		{"poison ends the process", 1, `if sabotage.Mutant("poison ends the process") { sabotage.Die() }`},
		// Publish(ctx, m) lets the transaction end without its event: context, Publish, event.
		{"publish after commit", 1, `if sabotage.PublishLate($1, $2, $3) { return nil }`},
		// InTx(ctx, fn) returns before the commit: context, fn, InTx.
		{"ack before commit", 1, `if sabotage.AcksEarly($1) { return sabotage.AckEarly($1, $2, $3) }`},
		// Once(ctx, claim, fn) stores the answer in a transaction of its own, after that of the work: context, InTx, Run of the store,
		// the database, claim, fn.
		{"answer apart", 1, `if sabotage.Mutant("answer apart") { return sabotage.AnswerApart($1, $2, $3, $4, $5, $6) }`},
		// A delivery is completed by a process that does not hold it any more. Arguments: context, function that runs a
		// statement, id of the event, name of the subscription; for many deliveries: context, function that completes one,
		// deliveries.
		{"no fencing", 1, `if sabotage.Mutant("no fencing") { _, err := $2($1, sabotage.Unfenced, $3, $4); return true, err }`},
		{"no fencing of many", 1, `if sabotage.Mutant("no fencing") { return sabotage.CompleteEach($1, $2, $3) }`},
		// SQLite does not wait for the disk: context, a connection that was just opened.
		{"synchronous off", 1, `if sabotage.Mutant("synchronous off") { sabotage.Unsynced($1, $2) }`},
	}
}

// builder builds binaries from the repository at root into folder.
type builder struct{ root, folder string }

// newBuilder returns a builder into folder for the repository that the working directory is in.
func newBuilder(ctx context.Context, folder string) (*builder, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("find the repository: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if file == "" || file == os.DevNull {
		return nil, errors.New("find the repository: the working directory is in no Go module; run it from the repository")
	}
	return &builder{root: filepath.Dir(file), folder: folder}, nil
}

// servicePackage is the harness service's.
const servicePackage = "./app/apptest/crash/service"

// released builds the product, service the harness service, sabotaged the latter with crash points and mistakes.
func (b *builder) released(ctx context.Context) (string, error) {
	return b.build(ctx, "plugboard", ".", "")
}
func (b *builder) service(ctx context.Context) (string, error) {
	return b.build(ctx, "service", servicePackage, "")
}

func (b *builder) sabotaged(ctx context.Context) (string, error) {
	file, err := b.overlay(points())
	if err != nil {
		return "", err
	}
	return b.build(ctx, "sabotaged", servicePackage, file)
}

func (b *builder) build(ctx context.Context, name, pkg, overlay string) (string, error) {
	binary := filepath.Join(b.folder, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", overlay, "-o", binary, pkg) //nolint:gosec // fixed words
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return binary, nil
}

// pointLine is a line of the sources that a point replaces.
var pointLine = regexp.MustCompile(`(?m)^[ \t]*//crash:point (.+)$`)

// folders are the folders of the sources with points.
func folders() []string { return []string{"infra", "app/apptest/crash/service"} }

// overlay writes copies of the sources with the code of the points in them, and the file that has a build use them.
func (b *builder) overlay(points []point) (string, error) {
	mod, err := os.ReadFile(filepath.Join(b.root, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("read go.mod: %w", err)
	}
	w := weaver{left: make(map[string]int), points: make(map[string]point)}
	for _, p := range points {
		w.points[p.name], w.left[p.name] = p, p.lines
	}
	woven := make(map[string]string)
	for _, folder := range folders() {
		if err := b.weave(folder, &w, woven); err != nil {
			return "", err
		}
	}
	if err := w.err(); err != nil {
		return "", err
	}
	imported := `; import "` + path.Join(modfile.ModulePath(mod), sabotagePackage) + `"`
	for name, text := range woven {
		woven[name] = packageLine.ReplaceAllString(text, "$0"+imported)
	}
	woven[sabotagePackage+"/sabotage.go"] = sabotageSource
	return b.write(woven)
}

const sabotagePackage = "infra/sabotage"

// packageLine is followed by the import on the same line.
var packageLine = regexp.MustCompile(`(?m)^package \w+`)

// weave adds to woven the sources in folder that have points, with the points' code in them.
func (b *builder) weave(folder string, w *weaver, woven map[string]string) error {
	return filepath.WalkDir(filepath.Join(b.root, folder), func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("list sources: %w", err)
		case entry.IsDir() && entry.Name() == "testdata":
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(name) //nolint:gosec // of the repository
		if err != nil {
			return fmt.Errorf("read source: %w", err)
		}
		if !pointLine.Match(text) {
			return nil
		}
		short, err := filepath.Rel(b.root, name)
		if err != nil {
			return fmt.Errorf("list sources: %w", err)
		}
		woven[filepath.ToSlash(short)] = w.weave(short, string(text))
		return nil
	})
}

// weaver puts the code of the points in the place of their lines.
type weaver struct {
	points map[string]point
	// left is how many lines of each name are yet to be found; below zero there are too many.
	left     map[string]int
	problems []error
}

func (w *weaver) weave(file, text string) string {
	return pointLine.ReplaceAllStringFunc(text, func(line string) string {
		name, given, _ := strings.Cut(pointLine.FindStringSubmatch(line)[1], ": ")
		p, ok := w.points[name]
		if !ok {
			w.problems = append(w.problems, fmt.Errorf("%s: there is no crash point %q; see points in app/apptest/crash/overlay.go", file, name))
			return line
		}
		w.left[name]--
		code, err := p.code(strings.Fields(given))
		if err != nil {
			w.problems = append(w.problems, fmt.Errorf("%s: %w", file, err))
		}
		return code
	})
}

// err returns the errors of the lines that were found, and of those that are missing.
func (w *weaver) err() error {
	for _, name := range slices.Sorted(maps.Keys(w.left)) {
		if n := w.left[name]; n != 0 {
			want := w.points[name].lines
			w.problems = append(w.problems, fmt.Errorf(`the sources below %s have %d lines "//crash:point %s" instead of %d`,
				strings.Join(folders(), " and "), want-n, name, want))
		}
	}
	return errors.Join(w.problems...)
}

// code returns the code that replaces a line with these arguments.
func (p point) code(args []string) (string, error) {
	if p.mistake == "" {
		if len(args) > 1 {
			return "", fmt.Errorf("the crash point %q takes one condition at most, not %d", p.name, len(args))
		}
		return fmt.Sprintf("sabotage.Point(%s)", strings.Join(append([]string{strconv.Quote(p.name)}, args...), ", ")), nil
	}
	takes := 0
	code := placeholder.ReplaceAllStringFunc(p.mistake, func(s string) string {
		n := int(s[1] - '0')
		takes = max(takes, n)
		if n > len(args) {
			return s
		}
		return args[n-1]
	})
	if takes != len(args) {
		return "", fmt.Errorf("the crash point %q takes %d arguments, not %d", p.name, takes, len(args))
	}
	return code, nil
}

// placeholder stands for an argument.
var placeholder = regexp.MustCompile(`\$[1-9]`)

// write writes sources under the folder and returns the name of the overlay file.
func (b *builder) write(sources map[string]string) (string, error) {
	replace := make(map[string]string, len(sources))
	for name, text := range sources {
		file := filepath.Join(b.folder, "overlay", strings.ReplaceAll(name, "/", "_"))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			return "", fmt.Errorf("write overlay: %w", err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("write overlay: %w", err)
		}
		replace[filepath.Join(b.root, name)] = file
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	file := filepath.Join(b.folder, "overlay.json")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	return file, nil
}
