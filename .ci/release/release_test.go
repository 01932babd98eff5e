package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

// repository makes a git repository of the tiny module, with its API.
func repository(t *testing.T) string {
	t.Helper()
	dir := write(t, tiny)
	put(t, dir, apiFile, want)
	git(t, dir, "init", "-q", "-b", "main")
	git(t, dir, "config", "user.name", "Somebody")
	git(t, dir, "config", "user.email", "somebody@example.org")
	git(t, dir, "config", "commit.gpgsign", "false")
	git(t, dir, "config", "tag.gpgsign", "false")
	commit(t, dir, "all")
	return dir
}

func commit(t *testing.T, dir, subject string) {
	t.Helper()
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-q", "-m", subject)
}

// entry writes a line into the changelog's unreleased section.
func entry(t *testing.T, dir, line string) {
	t.Helper()
	edit(t, dir, changelogFile, "## Unreleased\n", "## Unreleased\n\n- "+line+"\n")
	commit(t, dir, line)
}

func releaseOf(dir, version string, check func(context.Context) error) (string, error) {
	var out strings.Builder
	r := &release{dir: dir, version: version, today: "2026-01-02", check: check, out: &out}
	err := r.make(context.Background())
	return out.String(), err
}

// state is all that a failed release must leave as it was.
func state(t *testing.T, dir string) string {
	t.Helper()
	_, err := os.Stat(dir + "/" + apiFile)
	return strings.Join([]string{
		git(t, dir, "rev-parse", "HEAD"), git(t, dir, "tag"), git(t, dir, "status", "--porcelain"), git(t, dir, "diff", "HEAD"),
		read(t, dir, changelogFile), map[bool]string{true: "api"}[err == nil],
	}, "\n")
}

func TestReleases(t *testing.T) {
	t.Parallel()
	dir := repository(t)
	checked := 0
	out, err := releaseOf(dir, "v0.1.0", func(context.Context) error { checked++; return nil })
	must(t, err)
	for _, line := range []string{"The last version was none.", "git push <remote> main v0.1.0\n", "go get example.org/tiny@v0.1.0\n"} {
		if !strings.Contains(out, line) {
			t.Errorf("expected %q in:\n%s", line, out)
		}
	}
	if got := read(t, dir, changelogFile); got != "# Changelog\n\n## Unreleased\n\n## v0.1.0 - 2026-01-02\n\n- A line.\n" {
		t.Errorf("%q", got)
	}
	if got := git(t, dir, "log", "-1", "--format=%s"); got != "release: v0.1.0" || checked != 1 {
		t.Error(got, checked)
	}
	if got := git(t, dir, "for-each-ref", "--format=%(objecttype) %(*objectname)", "refs/tags/v0.1.0"); got != "tag "+git(t, dir, "rev-parse", "HEAD") {
		t.Error(got)
	}

	// What is new is written into the file; a patch may have it.
	edit(t, dir, "app/app.go", "// Do takes", "// Done is new.\nfunc Done() {}\n\n// Do takes")
	entry(t, dir, "Done.")
	_, err = releaseOf(dir, "v0.1.1", nil)
	must(t, err)
	if !strings.Contains(read(t, dir, apiFile), "\nfunc Done()\n") || git(t, dir, "status", "--porcelain") != "" {
		t.Error("the API of v0.1.1 was not written")
	}

	// An incompatible change is no patch, whether make api was called or not.
	edit(t, dir, "app/app.go", "// Done is new.\nfunc Done() {}\n", "")
	entry(t, dir, "No Done.")
	before := state(t, dir)
	_, err = releaseOf(dir, "v0.1.2", nil)
	wantError(t, err, "v0.1.2 cannot follow v0.1.1", "the minor number must be raised", "app: Done is gone")
	if state(t, dir) != before {
		t.Error("a refused release has changed something")
	}
	put(t, dir, apiFile, want)
	commit(t, dir, "api")
	_, err = releaseOf(dir, "v0.1.2", nil)
	wantError(t, err, "app: Done is gone")
	_, err = releaseOf(dir, "v0.2.0-rc.1", nil)
	must(t, err)

	// A pre-release has promised nothing.
	edit(t, dir, "app/app.go", "// Map is generic.\nfunc Map", "// List is generic.\nfunc List")
	entry(t, dir, "List.")
	_, err = releaseOf(dir, "v0.2.0", nil)
	must(t, err)
}

func TestRefusedReleases(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version, problem string
		prepare          func(t *testing.T, dir string)
	}{
		"no version":      {"", `"" is no version; give one such as v0.1.0`, nil},
		"half a version":  {"v1.2", `"v1.2" is no version`, nil},
		"without v":       {"1.2.3", "is no version", nil},
		"build metadata":  {"v1.2.3+x", "is no version", nil},
		"not higher":      {"v0.3.0", "v0.3.0 is not higher than v0.10.0", func(t *testing.T, dir string) { git(t, dir, "tag", "v0.9.0"); git(t, dir, "tag", "v0.10.0") }},
		"the same":        {"v0.3.0", "v0.3.0 is not higher than v0.3.0", func(t *testing.T, dir string) { git(t, dir, "tag", "v0.3.0"); git(t, dir, "tag", "vague") }},
		"changed file":    {"v0.1.0", "changes that are not committed", func(t *testing.T, dir string) { put(t, dir, "app/app_test.go", "package app\n") }},
		"new file":        {"v0.1.0", "new.txt", func(t *testing.T, dir string) { put(t, dir, "new.txt", "") }},
		"other branch":    {"v0.1.0", "this is the branch side; releases are made of main", func(t *testing.T, dir string) { git(t, dir, "checkout", "-q", "-b", "side") }},
		"path":            {"v0.1.0", `the module is called "tiny", which nobody can require; adopt a path first: go tool plug adopt example.org/team/plugboard`, adopted("tiny")},
		"path's second":   {"v0.1.0", "which nobody can require", adopted("tiny/example.org")},
		"path without v2": {"v2.0.0", "the module example.org/tiny has no version v2.0.0: from v2 on its path ends with the major number, as in example.org/tiny/v2", nil},
		"no entries": {"v0.1.0", `CHANGELOG.md has no entries under "## Unreleased"`, func(t *testing.T, dir string) {
			put(t, dir, changelogFile, "# Changelog\n\n## Unreleased\n\n### Added\n\n## v0.0.1 - 2025-01-01\n\n- An old line.\n")
			commit(t, dir, "no entries")
		}},
		"no heading": {"v0.1.0", `has no heading "## Unreleased"`, func(t *testing.T, dir string) {
			put(t, dir, changelogFile, "# Changelog\n\n- A line.\n")
			commit(t, dir, "no heading")
		}},
		"written already": {"v0.1.0", "has a section for v0.1.0 already", func(t *testing.T, dir string) {
			put(t, dir, changelogFile, "## Unreleased\n\n- A line.\n\n## v0.1.0 - 2025-01-01\n")
			commit(t, dir, "written already")
		}},
		"does not compile": {"v0.1.0", "do not compile", func(t *testing.T, dir string) {
			put(t, dir, "app/x.go", "package app\n\nvar x int = \"\"\n")
			commit(t, dir, "does not compile")
		}},
		"no API of the last version": {"v0.1.1", "read the API of v0.1.0, without which v0.1.1", func(t *testing.T, dir string) {
			git(t, dir, "rm", "-q", apiFile)
			commit(t, dir, "no api")
			git(t, dir, "tag", "v0.1.0")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := repository(t)
			if c.prepare != nil {
				c.prepare(t, dir)
			}
			before := state(t, dir)
			_, err := releaseOf(dir, c.version, func(context.Context) error { t.Error("checked"); return nil })
			wantError(t, err, c.problem)
			if state(t, dir) != before {
				t.Error("a refused release has changed something")
			}
		})
	}
}

func adopted(path string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		edit(t, dir, "go.mod", "module example.org/tiny\n", "module "+path+"\n")
		commit(t, dir, "adopt")
	}
}

func TestMayBreak(t *testing.T) {
	t.Parallel()
	for versions, want := range map[string]bool{
		" v0.1.0": true, "v0.1.0 v0.1.1": false, "v0.1.0 v0.2.0": true, "v0.1.0 v0.2.0-rc.1": true, "v0.9.0 v1.0.0": true,
		"v1.0.0 v1.1.0": false, "v1.0.0 v1.0.1": false, "v1.9.0 v2.0.0": true,
	} {
		last, next, _ := strings.Cut(versions, " ")
		if mayBreak(last, next) != want {
			t.Error(versions, !want)
		}
	}
}

func TestAReleaseThatFailsHalfWay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		problem string
		check   func(t *testing.T, dir string) error
		left    string // what others changed meanwhile, which stays
	}{
		"check": {"the tests fail", func(t *testing.T, dir string) error {
			if !strings.Contains(read(t, dir, changelogFile), "## v0.1.0 - ") || read(t, dir, apiFile) != want {
				t.Error("what is checked is not what is released")
			}
			return errors.New("the tests fail")
		}, ""},
		"commit": {"the hook says no", func(t *testing.T, dir string) error {
			put(t, dir, ".git/hooks/pre-commit", "#!/bin/sh\necho the hook says no >&2\nexit 1\n")
			return os.Chmod(dir+"/.git/hooks/pre-commit", 0o700) //nolint:gosec // a hook
		}, ""},
		"tag": {"tag: ", func(t *testing.T, dir string) error {
			git(t, dir, "tag", "v0.1.0/x") // so that there can be no v0.1.0
			return nil
		}, "v0.1.0/x"},
		"files changed meanwhile": {"files were changed meanwhile", func(t *testing.T, dir string) error {
			put(t, dir, "app/app_test.go", "package app\n\n// changed\n")
			return nil
		}, "// changed"},
		"committed meanwhile": {"somebody committed something meanwhile", func(t *testing.T, dir string) error {
			put(t, dir, "other.txt", "other")
			git(t, dir, "add", "other.txt")
			git(t, dir, "commit", "-q", "-m", "other")
			return nil
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := repository(t)
			git(t, dir, "rm", "-q", "--cached", apiFile)
			must(t, os.Remove(dir+"/"+apiFile))
			git(t, dir, "commit", "-q", "-m", "no api")
			before := state(t, dir)
			_, err := releaseOf(dir, "v0.1.0", func(context.Context) error { return c.check(t, dir) })
			wantError(t, err, c.problem)
			after := state(t, dir)
			switch {
			case name == "committed meanwhile":
				if git(t, dir, "log", "-1", "--format=%s") != "other" || git(t, dir, "status", "--porcelain") != "" {
					t.Error(after)
				}
			case c.left == "" && after != before, !strings.Contains(after, c.left), strings.Contains(after, "2026-01-02"), strings.Contains(after, "\napi"):
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}
