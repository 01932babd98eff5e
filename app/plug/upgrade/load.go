package upgrade

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

const (
	namesOnly = packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedDeps | packages.NeedModule
	// withTypes takes the types of imported packages from the build cache: only the service's own are type-checked.
	withTypes = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedModule |
		packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo
	// mostProblems is how many problems an error lists.
	mostProblems = 10
)

// site is the module of a service.
type site struct {
	dir, host string
	// packages are the module's, each also as its tests see it.
	packages []*packages.Package
	// hosts are the host's packages that these lead to, by import path.
	hosts map[string]*packages.Package
	// problems are what does not compile, and printed what compilers printed of it.
	problems, printed []string
}

// load reads the module in dir. The overlay's contents stand for those of files.
func load(ctx context.Context, dir, host string, mode packages.LoadMode, overlay map[string][]byte) (*site, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fmt.Errorf("find the module's folder: %w", err)
	}
	s := &site{dir: dir, host: host, hosts: map[string]*packages.Package{}}
	s.packages, err = packages.Load(&packages.Config{Context: ctx, Dir: dir, Mode: mode, Tests: true, Overlay: overlay}, "./...")
	if err != nil {
		return nil, fmt.Errorf("load the packages of %s: %w", dir, err)
	}
	packages.Visit(s.packages, nil, func(p *packages.Package) {
		if p.PkgPath == host || strings.HasPrefix(p.PkgPath, host+"/") {
			s.hosts[p.PkgPath] = p
		}
		for _, problem := range p.Errors {
			s.addProblem(problem)
		}
	})
	if len(s.problems) == 0 {
		s.problems = s.printed
	}
	return s, nil
}

// loadSound is [load] for a module that compiles and uses the host.
func loadSound(ctx context.Context, dir, host string, mode packages.LoadMode) (*site, error) {
	s, err := load(ctx, dir, host, mode, nil)
	switch {
	case err != nil:
		return nil, err
	case len(s.problems) > 0:
		return nil, fmt.Errorf("the module does not compile, so nothing was changed; mend this first (go vet ./... finds the same):\n%s", s.listProblems())
	case len(s.hosts) == 0:
		return nil, fmt.Errorf("no package in %s imports one of %s", s.dir, host)
	}
	return s, nil
}

// addProblem keeps a problem once: a package and its variant for tests have the same, and what the compiler prints repeats them.
func (s *site) addProblem(problem packages.Error) {
	text := strings.ReplaceAll(problem.Error(), s.dir+string(filepath.Separator), "")
	switch {
	case strings.HasPrefix(problem.Msg, "# "):
		s.printed = append(s.printed, text)
	case !slices.Contains(s.problems, text):
		s.problems = append(s.problems, text)
	}
}

// listProblems lists what does not compile.
func (s *site) listProblems() string {
	problems, more := s.problems, ""
	if n := len(problems) - mostProblems; n > 0 {
		problems, more = problems[:mostProblems], fmt.Sprintf("\n  and %d more", n)
	}
	return "  " + strings.Join(problems, "\n  ") + more
}

// relative returns a file's path from the module's folder.
func (s *site) relative(file string) string {
	rel, err := filepath.Rel(s.dir, file)
	if err != nil {
		return file
	}
	return filepath.ToSlash(rel)
}

// contains says whether a file is below the module's folder.
func (s *site) contains(file string) bool {
	return filepath.IsLocal(filepath.FromSlash(s.relative(file)))
}

// recheck fails when the module would not compile with the changes.
func recheck(ctx context.Context, dir, host string, changes []change) error {
	overlay := map[string][]byte{}
	for _, c := range changes {
		overlay[c.file] = c.after
	}
	s, err := load(ctx, dir, host, withTypes, overlay)
	if err == nil && len(s.problems) > 0 {
		err = fmt.Errorf("with the host's new names the module would not compile, so nothing was changed; rename these by hand first:\n%s", s.listProblems())
	}
	return err
}
