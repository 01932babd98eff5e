// Package annotate writes swag's annotations above the handlers of plugins, from the manifest of the service.
package annotate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"plugboard/infra/host/manifest"
)

// Files returns the plugin files of the module with the annotations for routes, by their path from its root. It leaves out
// files that would not change, and those of other modules. Hand-written summaries, descriptions, headers and further
// lines stay.
func Files(from Sources, routes []manifest.Endpoint) (map[string][]byte, error) {
	changed := map[string][]byte{}
	byFile := map[string][]manifest.Endpoint{}
	var problems []error
	for _, r := range routes {
		if _, _, own := from.File(r.Source); own && !r.Hidden {
			file, _, _ := strings.Cut(r.Source, ":")
			byFile[file] = append(byFile[file], r)
		}
	}
	docs := newFieldDocs(from)
	for file, routes := range byFile {
		before, err := os.ReadFile(filepath.Join(from.Dir, filepath.FromSlash(file)))
		if err != nil {
			problems = append(problems, fmt.Errorf("read plugin: %w", err))
			continue
		}
		after, err := annotateFile(file, before, routes, docs)
		if err != nil {
			problems = append(problems, fmt.Errorf("annotate %s: %w", file, err))
			continue
		}
		if !bytes.Equal(before, after) {
			changed[file] = after
		}
	}
	return changed, errors.Join(problems...)
}

var longName = regexp.MustCompile(`"((?:[\w-]+_)*domains_(\w+)_plugins\.(\w+))": *\{`)

// CheckNames finds schemas of a Swagger document that swag has named in full, since two domains have a type of that
// name. Adding a domain would rename the schema of another that way, under the hands of its callers.
func CheckNames(document []byte) error {
	var problems []error
	for _, m := range longName.FindAllSubmatch(document, -1) {
		problems = append(problems, fmt.Errorf("the domain %s and another both declare %s, so the schema of each is renamed (%s): give one the name of its feature", m[2], m[3], m[1]))
	}
	return errors.Join(problems...)
}
