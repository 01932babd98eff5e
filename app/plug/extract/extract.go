// Package extract turns a clone of the host into a service that requires it.
//
// Before the host was a module to depend on, a service began as a clone of its repository. The clone has the host's files
// beside its own domains. [Plan] tells them apart by what changed since the last commit of the host in the clone's history,
// its base. [Service.Write] then removes the host's files, and the service goes on in the same repository, with its history.
package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"plugboard/app/plug/site"
)

// Service is a clone that is about to become a service.
type Service struct {
	// Site is the module that the service becomes.
	Site site.Site
	// Own are the domains that the service keeps: those that are new, or changed since the base.
	Own []string
	// Hosted are the domains that are as they were in the base, and are taken from the host's module from now on.
	Hosted []string
	// Edits are files of the host that the clone changed. They are not carried over.
	Edits []string
	// Base is the commit that the clone was made from, Head the present one; both in full.
	Base, Head string

	dir   string
	old   string            // the clone's module
	stays map[string][]byte // the texts of the files that stay, nil of a link
	files []string          // all files of the clone
	own   map[string]bool   // folders of Go packages that the clone added

	modBase, modHead string // go.mod of Base and of Head
}

// Plan reads the clone in dir, whose module becomes s, and changes nothing. Hosted are the domains that the host's module
// has today. The clone must have no changes that are not committed.
func Plan(ctx context.Context, dir, base string, s site.Site, hosted []string) (*Service, error) {
	v := &Service{Site: s, dir: dir, stays: map[string][]byte{}, own: map[string]bool{}}
	if err := v.clean(ctx); err != nil {
		return nil, err
	}
	var err error
	if v.Base, err = v.git(ctx, "rev-parse", "--verify", base+"^{commit}"); err != nil {
		return nil, fmt.Errorf("there is no commit %s; give the last commit of the host in the history of this clone: %w", base, err)
	}
	if v.Head, err = v.git(ctx, "rev-parse", "HEAD"); err != nil {
		return nil, err
	}
	if _, err := v.git(ctx, "merge-base", "--is-ancestor", v.Base, v.Head); err != nil || v.Base == v.Head {
		return nil, fmt.Errorf("%s is no commit before the present one; give the last commit of the host in the history of this clone", base)
	}
	before, err := v.modules(ctx)
	if err != nil {
		return nil, err
	}
	return v, v.tellApart(ctx, before, hosted)
}

// clean returns an error unless all that the clone has is committed.
func (v *Service) clean(ctx context.Context) error {
	status, err := v.git(ctx, "status", "--porcelain")
	if err != nil {
		return err
	}
	if status != "" {
		return errors.New("there are changes that are not committed; commit them first, so that nothing can be lost")
	}
	flags, err := v.git(ctx, "ls-files", "-v")
	if err != nil {
		return err
	}
	for line := range strings.Lines(flags) {
		if tag, name, _ := strings.Cut(strings.TrimSpace(line), " "); tag != "H" {
			return fmt.Errorf("git does not look at %s (git ls-files -v says %s), which may have changes that are not committed; "+
				"run git update-index --no-assume-unchanged --no-skip-worktree on it", name, tag)
		}
	}
	return nil
}

var modulePath = regexp.MustCompile(`(?m)^module\s+(\S+)`)

// modules reads the paths of the clone's module, and returns that of the base.
func (v *Service) modules(ctx context.Context) (base string, err error) {
	for commit, to := range map[string]*string{v.Base: &base, v.Head: &v.old} {
		text, err := v.git(ctx, "show", commit+":go.mod")
		if err != nil {
			return "", err
		}
		if to == &base {
			v.modBase = text
		} else {
			v.modHead = text
		}
		m := modulePath.FindStringSubmatch(text)
		if m == nil {
			return "", fmt.Errorf("go.mod of commit %s names no module", commit)
		}
		*to = m[1]
	}
	return base, nil
}

// tellApart sorts the files of the clone: what it added, what it changed, and what is the host's.
func (v *Service) tellApart(ctx context.Context, before string, hosted []string) error {
	was, err := v.list(ctx, v.Base)
	if err != nil {
		return err
	}
	if v.files, err = v.list(ctx, v.Head); err != nil {
		return err
	}
	changed, err := v.changed(ctx, was, before)
	if err != nil {
		return err
	}
	v.sortDomains(changed, hosted)
	for _, name := range v.files {
		switch v.fateOf(name, was, changed[name]) {
		case dropped:
			continue
		case edited:
			v.Edits = append(v.Edits, name)
			continue
		case kept:
		}
		text, err := v.read(name)
		if err != nil {
			return err
		}
		v.stays[name] = text
		if path.Ext(name) == ".go" && !slices.Contains(was, name) {
			v.own[path.Dir(name)] = true
		}
	}
	return nil
}

// read returns the text of a file, nil for a link, which stays as it is.
func (v *Service) read(name string) ([]byte, error) {
	file := filepath.Join(v.dir, filepath.FromSlash(name))
	info, err := os.Lstat(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil
	}
	text, err := os.ReadFile(file) //nolint:gosec // a file of the clone
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return text, nil
}

// fate is what becomes of a file of the clone.
type fate int

const (
	dropped fate = iota // it is the host's, or is written anew
	kept                // it is the service's
	edited              // it is the host's, and the clone changed it
)

// fateOf says what becomes of a file. It was in the base when was has it.
func (v *Service) fateOf(name string, was []string, changed bool) fate {
	fromHost := dropped
	if changed {
		fromHost = edited
	}
	switch inBase := slices.Contains(was, name); {
	case strings.HasPrefix(name, "domains/"):
		if slices.Contains(v.Own, domainOf(name)) {
			return kept
		}
		return dropped
	case name == "docs/docs.go", name == "main.go", name == ".gitignore":
		return kept
	case generated(name):
		return dropped
	case written(name):
		return fromHost
	case inBase && (strings.HasPrefix(name, "deployments/") || changed && papers[name]):
		return kept
	case inBase:
		return fromHost
	case goPackage(was, path.Dir(name)) && path.Ext(name) == ".go": // the clone added it to a package of the host
		return edited
	}
	return kept
}

// papers are documents that stay when the clone changed them.
var papers = map[string]bool{"README.md": true, "CHANGELOG.md": true, "LICENSE": true, ".gitignore": true, ".dockerignore": true, ".editorconfig": true}

// written reports whether a file is written anew for every service, or is for the host alone.
func written(name string) bool {
	return slices.Contains([]string{"Makefile", ".ci/run", "main_test.go", "deployments/test-postgres.sh"}, name) || strings.HasPrefix(name, "deployments/check/")
}

// generated reports whether a file is made by commands.
func generated(name string) bool {
	return slices.Contains([]string{
		"go.mod", "go.sum", "docs/openapi.json", "docs/swagger.json", "docs/swagger.yaml", "docs/asyncapi.yaml", "docs/AI_CONTEXT.md", "docs/architecture.md",
	}, name)
}

// goPackage reports whether the files have a Go file in the folder; the root is the clone's own.
func goPackage(files []string, folder string) bool {
	return folder != "." && slices.ContainsFunc(files, func(name string) bool { return path.Dir(name) == folder && path.Ext(name) == ".go" })
}

func domainOf(name string) string {
	domain, _, _ := strings.Cut(strings.TrimPrefix(name, "domains/"), "/")
	return domain
}

// sortDomains says which domains the clone keeps, and which it takes from the host.
func (v *Service) sortDomains(changed map[string]bool, hosted []string) {
	own := map[string]bool{}
	for _, name := range v.files {
		if strings.HasPrefix(name, "domains/") {
			domain := domainOf(name)
			own[domain] = own[domain] || changed[name] || !slices.Contains(hosted, domain)
		}
	}
	for domain, isOwn := range own {
		if isOwn {
			v.Own = append(v.Own, domain)
		} else {
			v.Hosted = append(v.Hosted, domain)
		}
	}
	slices.Sort(v.Own)
	slices.Sort(v.Hosted)
}

// changed returns the files that are new, gone, or say something else than in the base. Another path of the module is no
// change.
func (v *Service) changed(ctx context.Context, was []string, before string) (map[string]bool, error) {
	text, err := v.git(ctx, "diff", "--no-renames", "--name-only", "-z", v.Base, v.Head)
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	for _, name := range names(text) {
		changed[name] = true
		if before == v.old || !slices.Contains(was, name) || !slices.Contains(v.files, name) {
			continue
		}
		one, err := v.git(ctx, "show", v.Base+":"+name)
		if err != nil {
			return nil, err
		}
		other, err := v.git(ctx, "show", v.Head+":"+name)
		if err != nil {
			return nil, err
		}
		changed[name] = !sameText(strings.ReplaceAll(one, before, v.old), strings.ReplaceAll(other, before, v.old))
	}
	return changed, nil
}

// sameText compares texts without the order of their lines, since another path of the module sorts imports otherwise, and
// without white space, since it aligns comments otherwise.
func sameText(a, b string) bool {
	lines := func(text string) []string {
		all := strings.Split(text, "\n")
		for i, line := range all {
			all[i] = strings.Join(strings.Fields(line), " ")
		}
		slices.Sort(all)
		return all
	}
	return slices.Equal(lines(a), lines(b))
}

func (v *Service) list(ctx context.Context, commit string) ([]string, error) {
	text, err := v.git(ctx, "ls-tree", "-r", "--name-only", "-z", commit)
	if err != nil {
		return nil, err
	}
	return names(text), nil
}

// names are what git prints with -z.
func names(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == 0 })
}

// git runs git in the clone and returns what it prints.
func (v *Service) git(ctx context.Context, args ...string) (string, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // git
	cmd.Dir, cmd.Stderr = v.dir, &stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}
