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
	"plugboard/app/plug/site"
	"plugboard/infra/host/manifest"
)

// The documents, from the module's root.
const (
	AsyncAPIFile     = "docs/asyncapi.yaml"
	ContextFile      = "docs/AI_CONTEXT.md"
	ArchitectureFile = "docs/architecture.md"
)

// Project is the material of the documents: what the service says of itself, and the sources it is made of.
type Project struct {
	// Sources are the service's sources.
	Sources annotate.Sources

	comments annotate.Comments
	service  manifest.Service
	packages []Package // of the service's module
	host     string    // the path of the host's module
	contract string    // the import path of the package that plugins are written against
}

// Load reads the material of the module in dir, its root.
func Load(ctx context.Context, dir string, service manifest.Service) (*Project, error) {
	p := &Project{service: service, host: site.Host(), contract: site.Contract()}
	if err := p.list(ctx, dir); err != nil {
		return nil, err
	}
	p.comments = annotate.NewComments(p.Sources)
	return p, nil
}

// Files returns the documents of the module by their path from its root. The same sources give the same bytes.
func (p *Project) Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, write := range map[string]func() ([]byte, error){
		AsyncAPIFile:     func() ([]byte, error) { return AsyncAPI(p.service, p.info(), p.comments.Sentence) },
		ContextFile:      p.context,
		ArchitectureFile: p.architecture,
	} {
		text, err := write()
		if errors.Is(err, errNone) {
			continue
		}
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

// list has the go command list the packages of the module, and those of others that the documents tell of.
func (p *Project) list(ctx context.Context, dir string) error {
	text, err := output(ctx, dir, "list", "-deps", "-json=ImportPath,Name,Dir,Doc,Imports,Module", "./...", p.contract, p.contract+"/apptest")
	if err != nil {
		return fmt.Errorf("list packages: %w", err)
	}
	all, err := ParsePackages(text)
	if err != nil {
		return err
	}
	p.Sources = annotate.Sources{Dir: dir, Folders: map[string]string{}}
	for _, pkg := range all {
		switch {
		case pkg.Module.Main && samePath(pkg.Module.Dir, dir): // of a workspace, every module is a main one
			p.packages, p.Sources.Module = append(p.packages, pkg), pkg.Module.Path
		case pkg.Module.Path == p.host, strings.Contains(pkg.ImportPath, "/domains/"):
			p.Sources.Folders[pkg.ImportPath] = pkg.Dir
		}
	}
	slices.SortFunc(p.packages, func(a, b Package) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	if len(p.packages) == 0 {
		return fmt.Errorf("list packages: the module in %s has none", dir)
	}
	return nil
}

// samePath reports whether two paths lead to one folder.
func samePath(one, other string) bool {
	a, err := os.Stat(one)
	if err != nil {
		return false
	}
	b, err := os.Stat(other)
	return err == nil && os.SameFile(a, b)
}

// errNone is the error of a document that the module does not have.
var errNone = errors.New("there is no such document")

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
	Module                     struct {
		Path, Dir string
		Main      bool
	}
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
func (p *Project) read(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(p.Sources.Dir, filepath.FromSlash(name)))
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
