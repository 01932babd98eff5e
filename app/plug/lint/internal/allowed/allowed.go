// Package allowed reads the file plug.yaml, in which a service says what its domains may import beside what the rules allow:
//
//	libraries:
//	  - github.com/stripe/stripe-go # its client is given an *http.Client in infra/payments
//
// A library is named by its import path, or by that of a folder above it.
package allowed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// File is the name of the file, in the folder of the service's go.mod.
const File = "plug.yaml"

// Libraries are what a service allows its domains to import, by import path.
type Libraries []string

// Has reports whether the library is allowed.
func (l Libraries) Has(imported string) bool {
	for _, library := range l {
		if imported == library || strings.HasPrefix(imported, library+"/") {
			return true
		}
	}
	return false
}

// Problem is what is wrong with the file.
type Problem struct {
	// Line is where, from 1.
	Line int
	// Text says what, and what to write instead.
	Text string
}

// Read reads the file at path. A file that is not there allows nothing. What is wrong with the file is no error but a
// problem, and then it allows what is right in it.
func Read(path string) (Libraries, []Problem, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a file of the service
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read what domains may import: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, []Problem{unreadable(err)}, nil
	}
	if len(document.Content) == 0 {
		return nil, nil, nil // nothing, or comments alone
	}
	libraries, problems := read(document.Content[0])
	return libraries, problems, nil
}

var lineOf = regexp.MustCompile(`^yaml: line (\d+): (.*)`)

// unreadable takes the line out of an error of the YAML reader.
func unreadable(err error) Problem {
	line, text := 1, err.Error()
	if parts := lineOf.FindStringSubmatch(text); parts != nil {
		line, _ = strconv.Atoi(parts[1])
		text = parts[2]
	}
	return Problem{line, "the file is no YAML: " + text}
}

func read(root *yaml.Node) (found Libraries, problems []Problem) {
	fail := func(at *yaml.Node, format string, args ...any) {
		problems = append(problems, Problem{at.Line, fmt.Sprintf(format, args...)})
	}
	if root.Kind != yaml.MappingNode {
		fail(root, "write the key libraries: with a list below it")
		return nil, problems
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		switch {
		case key.Value != "libraries":
			fail(key, "there is no key %q; the only one is libraries", key.Value)
		case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
		case value.Kind != yaml.SequenceNode:
			fail(value, "libraries is a list: write each import path behind a dash, and the reason behind a #")
		default:
			for _, entry := range value.Content {
				if entry.Kind != yaml.ScalarNode || !libraryPath(entry.Value) {
					fail(entry, "%q is no import path of a library; write one such as github.com/stripe/stripe-go, and the reason behind a #", entry.Value)
					continue
				}
				found = append(found, entry.Value)
			}
		}
	}
	return found, problems
}

// libraryPath reports whether the text is the import path of a library, or of a folder of such: its first part has a dot.
func libraryPath(text string) bool {
	first, _, _ := strings.Cut(text, "/")
	return strings.Contains(first, ".") && !strings.ContainsAny(text, " \t:\\@*\"'") && !strings.HasSuffix(text, "/") && !strings.Contains(text, "..")
}
