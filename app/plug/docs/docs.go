// Package docs writes the documents of a service from its manifest.
//
// These are docs/openapi.json, docs/asyncapi.yaml, docs/AI_CONTEXT.md and the generated parts of docs/architecture.md. Texts come
// from the comments in the sources.
package docs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"plugboard/app/plug/annotate"
	"plugboard/infra/host/manifest"
)

// The documents, from the module's root.
const (
	AsyncAPIFile     = "docs/asyncapi.yaml"
	ContextFile      = "docs/AI_CONTEXT.md"
	ArchitectureFile = "docs/architecture.md"
)

// project is the material of the documents.
type project struct {
	dir      string
	comments annotate.Comments
	service  manifest.Service
	packages []Package
}

// Files returns the documents of the module in dir, its root, by their path from dir. The same sources give the same
// bytes.
func Files(ctx context.Context, dir string, service manifest.Service) (map[string][]byte, error) {
	p := &project{dir: dir, comments: annotate.NewComments(dir), service: service}
	if err := p.list(ctx); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for name, write := range map[string]func() ([]byte, error){
		AsyncAPIFile:     func() ([]byte, error) { return AsyncAPI(p.service, p.info(), p.comments.Sentence) },
		ContextFile:      p.context,
		ArchitectureFile: p.architecture,
	} {
		text, err := write()
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		files[name] = text
	}
	return files, nil
}

// Changed returns those of files that are not in dir as they should be.
func Changed(dir string, files map[string][]byte) (map[string][]byte, error) {
	changed := map[string][]byte{}
	for name, text := range files {
		before, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))) //nolint:gosec // one of the documents
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("read document: %w", err)
		}
		if err != nil || !bytes.Equal(before, text) {
			changed[name] = text
		}
	}
	return changed, nil
}

// Write stores files in dir; one that is there keeps its mode.
func Write(dir string, files map[string][]byte) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), text, 0o644); err != nil { //nolint:gosec // for everybody
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// Ask builds the service in dir, the module's root, and runs its command "describe". That opens neither a port nor a
// database.
func Ask(ctx context.Context, dir string) (manifest.Service, error) {
	// go run keeps the binary, and nobody debugs it.
	text, err := output(ctx, dir, "run", "-ldflags=-s -w", ".", "describe")
	if err != nil {
		return manifest.Service{}, fmt.Errorf("ask service for its description: %w", err)
	}
	return manifest.Parse(text)
}

// list has the go command list the packages.
func (p *project) list(ctx context.Context) error {
	text, err := output(ctx, p.dir, "list", "-json=ImportPath,Name,Dir,Doc,Imports,Module", "./...")
	if err != nil {
		return fmt.Errorf("list packages: %w", err)
	}
	p.packages, err = ParsePackages(text)
	return err
}

// output returns the output of the go command in dir.
func output(ctx context.Context, dir string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the go command
	cmd.Dir, cmd.Stderr = dir, &stderr
	// The settings of whoever runs this are not to be seen in the description.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "APP_") })
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, strings.TrimSpace(stderr.String()))
	}
	return text, nil
}

// Package is a package as go list -json describes it.
type Package struct {
	ImportPath, Name, Dir, Doc string
	Imports                    []string
	Module                     struct{ Path string }
}

// rel is the package's path from the module's root, "" at the root.
func (p Package) rel() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, p.Module.Path), "/")
}

// ParsePackages reads the output of go list -json.
func ParsePackages(text []byte) ([]Package, error) {
	var all []Package
	for decoder := json.NewDecoder(bytes.NewReader(text)); decoder.More(); {
		var p Package
		if err := decoder.Decode(&p); err != nil {
			return nil, fmt.Errorf("read packages: %w", err)
		}
		all = append(all, p)
	}
	return all, nil
}

// read returns a file of the module.
func (p *project) read(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(name)))
	if err != nil {
		return "", fmt.Errorf("read source: %w", err)
	}
	return string(text), nil
}

// file is the file of a source, "file:line".
func file(source string) string {
	name, _, _ := strings.Cut(source, ":")
	return name
}
