package main

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/apptest"
	"plugboard/domains/accounts"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/provider"
	"plugboard/domains/accounts/sessions"
)

const accessPage = "docs/access.md"

// requirements says how many lines each section of the OWASP ASVS 5.0.0 has, in the chapters that the page is about.
var requirements = []struct {
	section string
	lines   int
}{
	{"6.1", 3}, {"6.2", 12}, {"6.3", 8}, {"6.4", 6}, {"6.5", 8}, {"6.6", 4}, {"6.7", 2}, {"6.8", 4},
	{"7.1", 3}, {"7.2", 4}, {"7.3", 2}, {"7.4", 5}, {"7.5", 3}, {"7.6", 2},
	{"8.1", 4}, {"8.2", 4}, {"8.3", 3}, {"8.4", 2},
}

var (
	// testInFile is a test that a table names, with the file that it is in.
	testInFile     = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)` \\(\\[[^\\]]+\\]\\(([^)]+)\\)\\)")
	requirementRow = regexp.MustCompile(`^\| ([0-9]+\.[0-9]+\.[0-9]+) \| ([^|]+) \| ([^|]*) \| (.*) \|$`)
	threatTable    = regexp.MustCompile(`(?m)^\| threat \|.*\n(\|.*\n)+`)
	settingRow     = regexp.MustCompile("^\\| `(APP_ACCOUNTS_[A-Z_]+)` \\| (?:`([^`]*)`)? *\\|")
)

// checkAccessPage finds what is wrong with the tables of threats and of requirements. Sources has the tests that they name.
func checkAccessPage(text string, sources fs.FS) (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, m := range testInFile.FindAllStringSubmatch(text, -1) {
		file := path.Join(path.Dir(accessPage), m[2])
		if content, err := fs.ReadFile(sources, file); err != nil || !strings.Contains(string(content), "\nfunc "+m[1]+"(") {
			say("there is no %s in %s", m[1], file)
		}
	}
	for line := range strings.Lines(threatTable.FindString(text)) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| threat") && !testInFile.MatchString(line) {
			say("a threat without a test: %s", strings.TrimSpace(line))
		}
	}
	var want, got []string
	for _, r := range requirements {
		for i := range r.lines {
			want = append(want, fmt.Sprintf("%s.%d", r.section, i+1))
		}
	}
	for line := range strings.Lines(text) {
		row := requirementRow.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if row == nil {
			continue
		}
		got = append(got, row[1])
		switch tested := testInFile.MatchString(row[4]); {
		case row[3] == "holds" && !tested:
			say("%s holds, and no test says so", row[1])
		case row[3] != "holds" && (tested || strings.TrimSpace(row[4]) == ""):
			say("%s is %s, and does not say why, or names a test", row[1], row[3])
		case row[3] != "holds" && row[3] != "not ours" && row[3] != "not done":
			say("%s is %q", row[1], row[3])
		}
	}
	if !slices.Equal(want, got) {
		say("the requirements are %v", got)
	}
	return problems
}

// The page says of each threat and requirement what is done, and a test holds it.
func TestTheAccessPageIsTrue(t *testing.T) {
	t.Parallel()
	text := read(t, repository(), accessPage)
	require.Empty(t, checkAccessPage(text, repository()))
	require.NotEmpty(t, threatTable.FindString(text))
	for change, problem := range map[[2]string]string{
		{"`TestNetworksAreThrottled` (", "`TestGone` ("}:                                          "there is no TestGone in domains/accounts/plugins/sign_in_test.go",
		{"](../domains/accounts/plugins/sign_out_test.go)", "](../sign_out_test.go)"}:             "there is no TestNoFixation in sign_out_test.go",
		{"|---|---|---|\n| Somebody guesses", "|---|---|---|\n| x | y | z |\n| Somebody guesses"}: "a threat without a test: | x | y | z |",
		{"a second factor | not done |", "a second factor | holds |"}:                             "6.3.3 holds, and no test says so",
		{"users can change theirs | holds |", "users can change theirs | not done |"}:             "6.2.2 is not done, and does not say why, or names a test",
		{"a second factor | not done |", "a second factor | soon |"}:                              `6.3.3 is "soon"`,
	} {
		require.Contains(t, text, change[0])
		require.Equal(t, []string{problem}, checkAccessPage(strings.Replace(text, change[0], change[1], 1), repository()))
	}
	require.Len(t, checkAccessPage(strings.Replace(text, "\n| 7.6.2 |", "\n| 7.6.3 |", 1), repository()), 1)
}

// What the page says of settings is what the domain has, with the defaults in force.
func TestSettingsOfAccountsAreOnThePage(t *testing.T) {
	t.Parallel()
	want, got := map[string]string{}, map[string]string{}
	for _, settings := range []any{plugins.Settings{}, sessions.Settings{}, passwords.Settings{}, provider.Settings{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(settings)) {
			want["APP_ACCOUNTS_"+strings.ToUpper(field.Tag.Get("key"))] = field.Tag.Get("default")
		}
	}
	for line := range strings.Lines(read(t, repository(), accessPage)) {
		if row := settingRow.FindStringSubmatch(line); row != nil {
			got[row[1]] = row[2]
		}
	}
	require.Equal(t, want, got)
}

// The page's curls, done one after the other by an administrator whom the command has made.
func TestCurlsOfTheAccessPage(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := apptest.New(t, db, accounts.Module)
		require.NoError(t, h.CommandFrom("correct horse battery staple", "accounts create-admin", "--email", "ada@example.org").Error)
		got, made := map[string]string{}, 0
		for _, b := range blocks(t, repository()) {
			if b.file != accessPage || b.language != "sh" || !strings.HasPrefix(b.text, "curl ") {
				continue
			}
			for line := range strings.Lines(b.text) {
				for name, value := range got {
					line = strings.ReplaceAll(line, "$"+name, value)
				}
				answer := h.Do(curl(t, line))
				require.Less(t, answer.Code, http.StatusMultipleChoices, "%s\n%s", line, answer.Body)
				made++
				if m := tokenMade.FindStringSubmatch(answer.Body); m != nil {
					got[map[string]string{"pbs_": "TOKEN", "pbk_": "KEY"}[m[1][:4]]] = m[1]
				}
			}
		}
		require.GreaterOrEqual(t, made, 7)
		require.ElementsMatch(t, []string{"TOKEN", "KEY"}, slices.Collect(maps.Keys(got)))
	})
}

// tokenMade is a token in an answer.
var tokenMade = regexp.MustCompile(`"token":"(pb[sk]_[A-Za-z0-9_-]+)"`)
