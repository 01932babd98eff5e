package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app/apptest"
	plugdocs "plugboard/app/plug/docs"
	"plugboard/domains/accounts"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/notifications"
	"plugboard/domains/products"
)

// block is a fenced block of a Markdown file.
type block struct {
	file, language, title, text string
}

// needs are the pages whose files belong to a service of the reader's; app/plug/site follows them.
const needs = "docs/needs/"

var (
	fence     = regexp.MustCompile("(?ms)^```([a-z]*)(?: title=\"([^\"]+)\")?\n(.*?)^```$")
	testNamed = regexp.MustCompile("`((?:Test|Fuzz|Benchmark|Example)[A-Z][A-Za-z0-9_]*)`")
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)[A-Z][A-Za-z0-9_]*)\(`)
	link      = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
)

func blocks(t *testing.T, tree fs.FS) []block {
	t.Helper()
	var found []block
	for _, name := range files(t, tree, ".md") {
		for _, m := range fence.FindAllStringSubmatch(read(t, tree, name), -1) {
			found = append(found, block{file: name, language: m[1], title: m[2], text: m[3]})
		}
	}
	return found
}

// checkSnippets holds the documents' Go against the sources: what is shown of a file must stand in it. It
// returns the files that do not exist, which the reader is to write, to be compiled. It leaves out AI_CONTEXT.md, which is made of
// the sources, and the pages of needs.
func checkSnippets(t *testing.T, tree fs.FS) (problems []string, files map[string]string) {
	t.Helper()
	files = map[string]string{}
	for _, b := range blocks(t, tree) {
		if b.language != "go" || strings.HasSuffix(b.file, plugdocs.ContextFile) || strings.HasPrefix(b.file, needs) {
			continue
		}
		_, err := fs.Stat(tree, filepath.ToSlash(b.title))
		switch {
		case b.title == "":
			problems = append(problems, b.file+`: a Go block without title="path/of/file.go": `+strings.SplitN(b.text, "\n", 2)[0])
		case err != nil && strings.HasPrefix(b.text, "package "):
			files[b.title] = b.text
		case err != nil:
			problems = append(problems, fmt.Sprintf("%s: there is no %s, and the block is no whole file", b.file, b.title))
		case !strings.Contains(read(t, tree, b.title), b.text):
			problems = append(problems, fmt.Sprintf("%s: this is not in %s:\n%s", b.file, b.title, b.text))
		}
	}
	return problems, files
}

// The documents show plugins that a reader is to write; they are put in their place, in a build that sees
// them without writing them, and their tests are run.
func TestSnippetsCompile(t *testing.T) {
	t.Parallel()
	problems, written := checkSnippets(t, repository())
	require.Empty(t, problems)
	require.NotEmpty(t, written)

	folder := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	packages := map[string]bool{}
	number := 0
	for name, text := range written {
		number++
		source := filepath.Join(folder, fmt.Sprintf("%d.go", number))
		require.NoError(t, os.WriteFile(source, []byte(text), 0o600))
		place, err := filepath.Abs(filepath.FromSlash(name))
		require.NoError(t, err)
		overlay.Replace[place] = source
		packages["./"+filepath.ToSlash(filepath.Dir(name))] = true
	}
	text, err := json.Marshal(overlay)
	require.NoError(t, err)
	config := filepath.Join(folder, "overlay.json")
	require.NoError(t, os.WriteFile(config, text, 0o600))
	arguments := []string{"test", "-overlay", config, "-run", testsIn(written)}
	for name := range packages {
		if _, err := os.Stat(name); err != nil { // go test runs vet in the folder, which is the reader's to make
			output, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", config, name).CombinedOutput()
			require.NoError(t, err, string(output))
			continue
		}
		arguments = append(arguments, name)
	}
	output, err := exec.CommandContext(t.Context(), "go", arguments...).CombinedOutput()
	require.NoError(t, err, string(output))
	require.NotContains(t, string(output), "no tests to run")
}

func testsIn(sources map[string]string) string {
	var names []string
	for _, text := range sources {
		for _, m := range testFunc.FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

func TestSnippetsThatAreWrong(t *testing.T) {
	t.Parallel()
	check := func(block string) []string {
		problems, _ := checkSnippets(t, fstest.MapFS{
			"app/x.go":  {Data: []byte("package app\n\nvar x = 1\n")},
			"README.md": {Data: []byte("```" + block + "\n```\n")},
		})
		return problems
	}
	require.Empty(t, check("go title=\"app/x.go\"\nvar x = 1"))
	require.Empty(t, check("sh\nmake"))
	require.Len(t, check("go title=\"app/x.go\"\nvar x = 2"), 1)
	require.Len(t, check("go title=\"app/y.go\"\nvar x = 1"), 1)
	require.Len(t, check("go\nvar x = 1"), 1)
}

// checkReferences finds tests and files that a document names and that do not exist.
func checkReferences(t *testing.T, tree fs.FS) []string {
	t.Helper()
	tests := map[string]bool{}
	for _, name := range files(t, tree, ".go") {
		for _, m := range testFunc.FindAllStringSubmatch(read(t, tree, name), -1) {
			tests[m[1]] = true
		}
	}
	var problems []string
	for _, name := range files(t, tree, ".md") {
		text := read(t, tree, name)
		for _, m := range testNamed.FindAllStringSubmatch(text, -1) {
			if !tests[m[1]] {
				problems = append(problems, name+" names the test "+m[1])
			}
		}
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			if _, err := fs.Stat(tree, filepath.ToSlash(filepath.Join(filepath.Dir(name), m[1]))); err != nil {
				problems = append(problems, name+" links to "+m[1])
			}
		}
	}
	return problems
}

func TestDocumentsNameWhatExists(t *testing.T) {
	t.Parallel()
	require.Empty(t, checkReferences(t, repository()))

	planted := fstest.MapFS{
		"x_test.go": {Data: []byte("package x\n\nfunc TestThere(t *testing.T) {}\n")},
		"docs/a.md": {Data: []byte("`TestThere` `TestGone` [a](a.md) [b](b.md) [c](../x_test.go#L1) [d](https://example.org)")},
	}
	require.Equal(t, []string{"docs/a.md names the test TestGone", "docs/a.md links to b.md"}, checkReferences(t, planted))
}

// The tour of the README, made as it is written there: each curl, and the answer below it. At its end somebody signs in.
func TestTourOfTheReadme(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
		h := apptest.New(t, db, products.Module, notifications.Module, accounts.Module, apptest.NewClock(noon))
		steps, signedIn := 0, false
		var asked *http.Request
		for _, b := range blocks(t, repository()) {
			switch {
			case b.file != "README.md":
			case b.language == "sh" && strings.HasPrefix(b.text, "curl "):
				asked = curl(t, b.text)
			case b.language == "sh" && strings.HasPrefix(b.text, "go run . accounts create-admin "):
				signsIn(t, h, b.text)
				signedIn = true
			case b.language == "json":
				require.NotNil(t, asked, b.text)
				h.WaitForEvents()
				h.Do(asked).JSON(strings.TrimSpace(b.text))
				asked, steps = nil, steps+1
			}
		}
		require.Nil(t, asked, "a curl without an answer")
		require.GreaterOrEqual(t, steps, 8)
		require.True(t, signedIn)
	})
}

// signsIn runs the command that makes an administrator and the curl below it, as whoever types the same password at both.
func signsIn(t *testing.T, h *apptest.App, text string) {
	t.Helper()
	command, line, _ := strings.Cut(text, "\n")
	password := regexp.MustCompile(`"password":"([^"]+)"`).FindStringSubmatch(line)
	require.Len(t, password, 2, line)
	flags := strings.Fields(strings.TrimPrefix(command, "go run . accounts create-admin "))
	require.NoError(t, h.CommandFrom(password[1]+"\n", "accounts create-admin", flags...).Error)
	session := apptest.Data[plugins.SignInData](h.Do(curl(t, line)))
	me := curl(t, "curl http://127.0.0.1:8080/accounts/me")
	me.Header.Set("Authorization", "Bearer "+session.Token)
	h.Do(me).Status(http.StatusOK)
}

// curl makes the request that a curl command line would.
func curl(t *testing.T, line string) *http.Request {
	t.Helper()
	var method, url, body string
	header := http.Header{}
	words := regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(strings.TrimSpace(line), -1)
	for i := 1; i < len(words); i++ {
		word := unquoted(words[i])
		if word == "-s" {
			continue
		}
		if !strings.HasPrefix(word, "-") {
			url = word
			continue
		}
		i++
		value := unquoted(words[i])
		switch word {
		case "-X":
			method = value
		case "-H":
			name, content, _ := strings.Cut(value, ": ")
			header.Set(name, content)
		case "-d":
			body = value
		default:
			t.Fatalf("the tour uses curl %s, which this test does not know", word)
		}
	}
	if method == "" {
		method = http.MethodGet
		if body != "" {
			method = http.MethodPost
		}
	}
	var r *http.Request
	if body == "" {
		r = httptest.NewRequestWithContext(t.Context(), method, url, nil)
	} else {
		r = httptest.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	}
	r.Header = header
	return r
}

// unquoted returns a word of a command line without the quotes around it.
func unquoted(word string) string {
	for _, quote := range []string{"'", `"`} {
		if len(word) > 1 && strings.HasPrefix(word, quote) && strings.HasSuffix(word, quote) {
			return word[1 : len(word)-1]
		}
	}
	return word
}
