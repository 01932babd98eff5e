package lint

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/analysis/unitchecker"
	"golang.org/x/tools/go/packages"

	"plugboard/app/plug/lint/internal/allowed"
	"plugboard/app/plug/site"
)

// Finding is the report of a rule about a line.
type Finding struct {
	// Position is where; its file is named from the folder that was checked.
	Position token.Position
	// Rule is the rule's name.
	Rule string
	// Message says what is wrong and what to do instead.
	Message string
}

// String returns "file:line:column: message".
func (f Finding) String() string { return f.Position.String() + ": " + f.Message }

// Check runs the rules on the packages of dir that match the patterns, tests included, and returns the findings in the
// order of files and lines. Contract is the import path of the package that plugins are written against. It reads other packages from the compiler's export data. The domains' sources are always
// read, since the rules on events look at all of them together.
func Check(ctx context.Context, dir, contract string, patterns []string) ([]Finding, error) {
	asked, err := load(ctx, dir, packages.NeedName|packages.NeedModule|packages.NeedFiles, patterns)
	if err != nil {
		return nil, err
	}
	if len(asked) == 0 {
		return nil, fmt.Errorf("load packages: none match %q", patterns)
	}
	wanted := map[string]bool{}
	for _, p := range asked {
		wanted[p.ID] = true
		for _, domains := range domainsOf(p) {
			if !slices.Contains(patterns, domains) {
				patterns = append(slices.Clone(patterns), domains)
			}
		}
	}
	all, err := load(ctx, dir, packages.LoadSyntax|packages.NeedModule, patterns)
	if err != nil {
		return nil, err
	}
	roots := slices.DeleteFunc(all, func(p *packages.Package) bool { return !wanted[p.ID] })
	graph, err := checker.Analyze(Rules(contract), roots, nil)
	if err != nil {
		return nil, fmt.Errorf("check packages: %w", err)
	}
	return findings(graph, dir)
}

// domainsOf returns patterns of the domains that p's module lists: its own, and what main.go imports of other modules.
func domainsOf(p *packages.Package) []string {
	if p.Module == nil || !p.Module.Main {
		return nil
	}
	patterns := []string{p.Module.Path + "/domains/..."}
	if p.PkgPath != p.Module.Path {
		return patterns
	}
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			continue // the packages are loaded next, and the error is reported then
		}
		for _, spec := range file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if strings.Contains(imported, "/domains/") && !strings.HasPrefix(imported, p.Module.Path+"/") {
				patterns = append(patterns, imported+"/...")
			}
		}
	}
	return patterns
}

func load(ctx context.Context, dir string, mode packages.LoadMode, patterns []string) ([]*packages.Package, error) {
	loaded, err := packages.Load(&packages.Config{Context: ctx, Dir: dir, Mode: mode, Tests: true}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	if err := problemsOf(loaded); err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	return loaded, nil
}

// problemsOf returns the reasons why packages, or their imports, cannot be checked. It leaves out a message of the go
// command about a file that does not compile where the type checker has a better one.
func problemsOf(loaded []*packages.Package) error {
	var checked, others []error
	for p := range packages.Postorder(loaded) {
		for _, e := range p.Errors {
			if e.Kind == packages.ParseError || e.Kind == packages.TypeError {
				checked = append(checked, e)
			} else {
				others = append(others, e)
			}
		}
	}
	if len(checked) > 0 {
		return errors.Join(checked...)
	}
	return errors.Join(others...)
}

// findings returns the diagnostics of the roots. A package is looked at once by itself and once as its tests see it.
func findings(graph *checker.Graph, dir string) ([]Finding, error) {
	var all []Finding
	var problems []error
	for _, act := range graph.Roots {
		if act.Err != nil {
			problems = append(problems, fmt.Errorf("check %s: %w", act, act.Err))
		}
		for _, d := range act.Diagnostics {
			f := Finding{Position: act.Package.Fset.Position(d.Pos), Rule: act.Analyzer.Name, Message: d.Message}
			if rel, err := filepath.Rel(dir, f.Position.Filename); err == nil {
				f.Position.Filename = rel
			}
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Position.Filename, b.Position.Filename), cmp.Compare(a.Position.Offset, b.Position.Offset), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(all), errors.Join(problems...)
}

// IsVetCall reports whether go vet, which calls this program as its tool, gave the arguments.
func IsVetCall(args []string) bool {
	return len(args) > 0 && (strings.HasPrefix(args[0], "-V") || args[0] == "-flags" || strings.HasSuffix(args[len(args)-1], ".cfg"))
}

// Vet is go vet's tool: it looks at the one package that args name and ends the process, or prints the tool's version.
func Vet(args []string, stdout io.Writer) error {
	if args[0] == "-V=full" {
		return printVersion(stdout)
	}
	unitchecker.Main(Rules(site.Contract())...)
	return nil
}

// printVersion prints what go vet's results depend on, in the form that the go command reads. They are kept until it changes:
// it is made of the program and of the service's plug.yaml, which is in the folder of go.mod.
func printVersion(to io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find program: %w", err)
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	hash := sha256.New()
	for _, name := range []string{program, filepath.Join(dir, allowed.File)} {
		text, err := os.ReadFile(name) //nolint:gosec // the program itself, and a file of the service
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read what the rules depend on: %w", err)
		}
		hash.Write(text)
	}
	fmt.Fprintf(to, "%s version devel buildID=%x\n", program, hash.Sum(nil))
	return nil
}
