// Package annotate writes swag's annotations above the handlers of plugins, from what the service says of itself.
package annotate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Route is an endpoint as the service's "routes --json" describes it.
type Route struct {
	Method   string   `json:"method"`
	Path     string   `json:"path"`
	Plugin   string   `json:"plugin"`
	Source   string   `json:"source"`
	Kind     string   `json:"kind"`
	Statuses []int    `json:"statuses"`
	Failures []int    `json:"failures"`
	Accepts  []string `json:"accepts"`
	Binary   bool     `json:"binary"`
	Tags     []string `json:"tags"`
	Security []string `json:"security"`
	Fields   []Field  `json:"fields"`
	// Data is the OpenAPI schema of what a success answers in its envelope.
	Data json.RawMessage `json:"data"`
}

// Field is a field of a request.
type Field struct {
	Name      string   `json:"name"`
	In        string   `json:"in"`
	Package   string   `json:"package"`
	Struct    string   `json:"struct"`
	Field     string   `json:"field"`
	Type      string   `json:"type"`
	Array     bool     `json:"array"`
	Format    string   `json:"format"`
	Required  bool     `json:"required"`
	Default   string   `json:"default"`
	Example   string   `json:"example"`
	Enum      []string `json:"enum"`
	Minimum   string   `json:"minimum"`
	Maximum   string   `json:"maximum"`
	MinLength string   `json:"min_length"`
	MaxLength string   `json:"max_length"`
	// Schema is the OpenAPI schema of the field.
	Schema json.RawMessage `json:"schema"`
}

// Describe builds the service in dir, the module's root, and asks it for its routes. It opens neither a port nor a
// database.
func Describe(ctx context.Context, dir string) ([]Route, error) {
	// The settings of whoever runs this are not to be seen in the description.
	clean := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "APP_") })
	// go run keeps what it has linked, for whoever asks the service with the same flags.
	text, err := output(ctx, dir, clean, "go", "run", "-ldflags=-s -w", ".", "routes", "--json")
	if err != nil {
		return nil, fmt.Errorf("ask service for its routes: %w", err)
	}
	var routes []Route
	if err := json.Unmarshal(text, &routes); err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	return routes, nil
}

func output(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // go, and what it has built
	cmd.Dir, cmd.Env, cmd.Stderr = dir, env, &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, strings.TrimSpace(stderr.String()))
	}
	return text, nil
}

// Files returns the plugin files of dir, the module's root, with the annotations that fit routes, by their path from
// dir; those that would not change are left out. Hand-written summaries, descriptions, headers and further lines stay.
func Files(dir string, routes []Route) (map[string][]byte, error) {
	changed := map[string][]byte{}
	byFile := map[string][]Route{}
	var problems []error
	for _, r := range routes {
		if file, _, ok := strings.Cut(r.Source, ":"); ok && r.Kind != "raw" {
			byFile[file] = append(byFile[file], r)
		}
	}
	docs := &fieldDocs{dir: dir, folders: map[string]map[string]string{}}
	for file, routes := range byFile {
		before, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file))) //nolint:gosec // the service names the file
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

// Write stores what [Files] returned.
func Write(dir string, files map[string][]byte) error {
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("write annotations: %w", err)
		}
		if err := os.WriteFile(path, text, info.Mode().Perm()); err != nil {
			return fmt.Errorf("write annotations: %w", err)
		}
	}
	return nil
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
