package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// releaseBranch is the branch that releases are made of.
const releaseBranch = "main"

// release is a release while it is made.
type release struct {
	dir, version, today string
	// check runs what a release has to pass; nil for nothing.
	check func(context.Context) error
	out   io.Writer

	head string // the commit that it is made of
}

// make makes the release: a commit with the changelog and the API of this version, and a tag. It pushes nothing. When it fails,
// everything is as it was.
func (r *release) make(ctx context.Context) error {
	last, promised, err := r.admit(ctx)
	if err != nil {
		return err
	}
	files, err := r.contents(ctx, promised)
	if err != nil {
		return err
	}
	if err := r.carryOut(ctx, files); err != nil {
		return err
	}
	fmt.Fprintf(r.out, `
%s is made, here alone: a commit with %s and %s, and a tag. The last version was %s.
See what it holds:     git show %[1]s
Then make it public:   git push <remote> %[5]s %[1]s
Services take it by:   go get %[6]s@%[1]s
Or take it all back:   git tag -d %[1]s && git reset --hard %[7]s
`, r.version, changelogFile, apiFile, orNone(last), releaseBranch, r.modulePath(), r.head)
	return nil
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}

// admit refuses a release for what can be told without looking into the packages. It returns the last version, and the last
// that is no pre-release.
func (r *release) admit(ctx context.Context) (last, promised string, err error) {
	if semver.Canonical(r.version) != r.version || r.version == "" {
		return "", "", fmt.Errorf("%q is no version; give one such as v0.1.0: make release VERSION=v0.1.0", r.version)
	}
	if err := checkModule(r.modulePath(), r.version); err != nil {
		return "", "", err
	}
	if last, promised, err = r.lastTags(ctx); err != nil {
		return "", "", err
	}
	if last != "" && semver.Compare(r.version, last) <= 0 {
		return "", "", fmt.Errorf("%s is not higher than %s, the last version", r.version, last)
	}
	branch, err := r.git(ctx, "rev-parse", "--abbrev-ref", "HEAD")
	if err != nil {
		return "", "", err
	}
	if branch != releaseBranch {
		return "", "", fmt.Errorf("this is the branch %s; releases are made of %s", branch, releaseBranch)
	}
	changed, err := r.git(ctx, "status", "--porcelain")
	if err != nil {
		return "", "", err
	}
	if changed != "" {
		return "", "", fmt.Errorf("there are changes that are not committed; commit them, or put them away:\n%s", changed)
	}
	r.head, err = r.git(ctx, "rev-parse", "HEAD")
	return last, promised, err
}

// modulePath returns the module's path, or "" when go.mod cannot be read.
func (r *release) modulePath() string {
	text, err := os.ReadFile(filepath.Join(r.dir, "go.mod"))
	if err != nil {
		return ""
	}
	return modfile.ModulePath(text)
}

// checkModule refuses paths that nobody could require in that version.
func checkModule(modulePath, version string) error {
	if first, _, _ := strings.Cut(modulePath, "/"); !strings.Contains(first, ".") {
		return fmt.Errorf("the module is called %q, which nobody can require; adopt a path first: go tool plug adopt example.org/team/plugboard", modulePath)
	}
	prefix, major, ok := module.SplitPathVersion(modulePath)
	if !ok || module.CheckPathMajor(version, major) != nil {
		return fmt.Errorf("the module %s has no version %s: from v2 on its path ends with the major number, as in %s/%s; adopt that path first: "+
			"go tool plug adopt", modulePath, version, prefix, semver.Major(version))
	}
	return nil
}

// contents returns what the files of the release are to hold.
func (r *release) contents(ctx context.Context, promised string) (map[string][]byte, error) {
	changelog, err := os.ReadFile(filepath.Join(r.dir, changelogFile))
	if err != nil {
		return nil, err
	}
	released, err := releaseChangelog(string(changelog), r.version, r.today)
	if err != nil {
		return nil, err
	}
	text, modulePath, err := present(ctx, r.dir)
	if err != nil {
		return nil, err
	}
	if err := r.checkPromise(ctx, modulePath, promised, text); err != nil {
		return nil, err
	}
	return map[string][]byte{changelogFile: []byte(released), apiFile: text}, nil
}

// checkPromise refuses incompatible changes of the API in a version that must not have any. It compares with the API of the last
// version: make api may have accepted changes in the file since.
func (r *release) checkPromise(ctx context.Context, modulePath, promised string, now []byte) error {
	if mayBreak(promised, r.version) {
		return nil
	}
	old, err := r.git(ctx, "show", promised+":"+apiFile)
	if err != nil {
		return fmt.Errorf("read the API of %s, without which %s can only follow with a higher minor number: %w", promised, r.version, err)
	}
	all, err := compare(ctx, r.dir, modulePath, []byte(old+"\n"), now)
	if err != nil {
		return err
	}
	if broken := incompatible(all); len(broken) > 0 {
		what := "minor"
		if semver.Major(promised) != "v0" {
			what = "major"
		}
		return fmt.Errorf("%s cannot follow %s: these changes of the API break services, so the %s number must be raised:\n%s%s",
			r.version, promised, what, report(broken), advice)
	}
	return nil
}

// mayBreak says whether the next version may have incompatible changes of the API.
func mayBreak(last, next string) bool {
	switch {
	case last == "" || semver.Major(last) != semver.Major(next):
		return true
	case semver.Major(last) == "v0":
		return semver.MajorMinor(last) != semver.MajorMinor(next)
	}
	return false
}

// carryOut writes the files, checks, commits and tags. When it fails it takes all of it back.
func (r *release) carryOut(ctx context.Context, files map[string][]byte) (err error) {
	var names []string
	before := map[string][]byte{}
	for name := range files {
		names = append(names, name)
		if before[name], err = os.ReadFile(filepath.Join(r.dir, name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.takeBack(context.WithoutCancel(ctx), before, files))
		}
	}()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.dir, name), text, 0o644); err != nil { //nolint:gosec // for everybody to read
			return err
		}
	}
	if r.check != nil {
		if err := r.check(ctx); err != nil {
			return err
		}
	}
	return r.commit(ctx, names)
}

func (r *release) commit(ctx context.Context, names []string) error {
	if head, err := r.git(ctx, "rev-parse", "HEAD"); err != nil || head != r.head {
		return errors.Join(err, errors.New("somebody committed something meanwhile; make the release again"))
	}
	changed, err := r.git(ctx, "status", "--porcelain", "--untracked-files=all")
	if err != nil {
		return err
	}
	for line := range strings.Lines(changed) {
		if fields := strings.Fields(line); len(fields) != 2 || !slices.Contains(names, fields[1]) {
			return fmt.Errorf("files were changed meanwhile, so what was checked is not what would be released:\n%s", changed)
		}
	}
	if _, err := r.git(ctx, append([]string{"add", "--"}, names...)...); err != nil {
		return err
	}
	if _, err := r.git(ctx, "commit", "-q", "-m", "release: "+r.version); err != nil {
		return err
	}
	_, err = r.git(ctx, "tag", "-a", "-m", r.version, r.version)
	return err
}

// takeBack leaves the branch and the files as they were. What others changed meanwhile stays.
func (r *release) takeBack(ctx context.Context, before, written map[string][]byte) error {
	var problems []error
	if subject, _ := r.git(ctx, "log", "-1", "--format=%P %s"); subject == r.head+" release: "+r.version {
		_, err := r.git(ctx, "reset", "-q", "--soft", r.head)
		problems = append(problems, err)
	}
	for name, text := range before {
		file := filepath.Join(r.dir, name)
		now, err := os.ReadFile(file)
		switch {
		case err != nil || !bytes.Equal(now, written[name]):
		case text == nil:
			problems = append(problems, os.Remove(file))
		default:
			problems = append(problems, os.WriteFile(file, text, 0o644)) //nolint:gosec // for everybody to read
		}
		_, err = r.git(ctx, "reset", "-q", "--", name)
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}
