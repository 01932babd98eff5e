package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"plugboard/app/plug/annotate"
	"plugboard/app/plug/docs"
	"plugboard/infra/host/manifest"
)

// The documents of the API, from the module's root. The first two are swag's.
const (
	swaggerFile     = "docs/swagger.json"
	swaggerYAMLFile = "docs/swagger.yaml"
	openapiFile     = "docs/openapi.json"
)

// generation is one run of the generators.
type generation struct {
	dir     string // the module's root
	check   bool   // only say which files are stale
	service manifest.Service
	stdout  io.Writer
}

// newGeneration reads the arguments and asks the service.
func newGeneration(ctx context.Context, command string, args []string, stdout io.Writer) (*generation, error) {
	g := &generation{check: slices.Equal(args, []string{"-check"}), stdout: stdout}
	if len(args) > 0 && !g.check {
		return nil, fmt.Errorf("%s takes -check or nothing, not %q", command, args)
	}
	var err error
	if g.dir, err = moduleRoot(ctx); err != nil {
		return nil, err
	}
	g.service, err = docs.Ask(ctx, g.dir)
	return g, err
}

// runAnnotate writes the annotations, or says which are stale.
func runAnnotate(ctx context.Context, args []string, stdout io.Writer) error {
	g, err := newGeneration(ctx, "annotate", args, stdout)
	if err != nil {
		return err
	}
	if err := g.annotate(); err != nil || !g.check {
		return err
	}
	swagger, err := os.ReadFile(filepath.Join(g.dir, filepath.FromSlash(swaggerFile)))
	if err != nil {
		return fmt.Errorf("read swag's document: %w", err)
	}
	return docs.CheckSwagger(swagger, g.service)
}

// runDocs writes the annotations and all documents, or says which are stale. The service describes itself once, before
// the annotations are written: they only change line numbers, which the documents do not contain.
func runDocs(ctx context.Context, args []string, stdout io.Writer) error {
	g, err := newGeneration(ctx, "docs", args, stdout)
	if err != nil {
		return err
	}
	if err := g.annotate(); err != nil {
		return err
	}
	files, err := docs.Files(ctx, g.dir, g.service)
	if err != nil {
		return err
	}
	if err := g.describeAPI(ctx, files); err != nil {
		return err
	}
	if files, err = docs.Changed(g.dir, files); err != nil {
		return err
	}
	if len(files) > 0 && g.check {
		return fmt.Errorf("%s are stale: run make docs and commit them", strings.Join(sorted(files), ", "))
	}
	g.print(files)
	return docs.Write(g.dir, files)
}

func (g *generation) annotate() error {
	files, err := annotate.Files(g.dir, g.service.Endpoints)
	if err != nil {
		return err
	}
	if len(files) > 0 && g.check {
		return fmt.Errorf("the annotations of %s are stale: run make docs and commit them", strings.Join(sorted(files), ", "))
	}
	g.print(files)
	return docs.Write(g.dir, files)
}

// describeAPI adds the documents of the API to files: OpenAPI 3.1 from the manifest, and swag's documents from the
// annotations.
func (g *generation) describeAPI(ctx context.Context, files map[string][]byte) (err error) {
	if err := docs.CheckManifest(g.service); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "plug-docs-")
	if err != nil {
		return fmt.Errorf("make scratch folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	overrides := filepath.Join(scratch, "overrides")
	if err := os.WriteFile(overrides, docs.SwagOverrides(g.service), 0o600); err != nil { //nolint:gosec // a folder of ours
		return fmt.Errorf("write overrides for swag: %w", err)
	}
	args := "tool swag init --quiet --dir docs,domains,app --generalInfo docs.go --outputTypes json,yaml --overridesFile " + overrides + " --output"
	swag := exec.CommandContext(ctx, "go", append(strings.Fields(args), scratch)...) //nolint:gosec // a folder of ours
	swag.Dir = g.dir
	if output, err := swag.CombinedOutput(); err != nil {
		return fmt.Errorf("run swag: %w\n%s", err, output)
	}
	for _, name := range []string{swaggerFile, swaggerYAMLFile} {
		if files[name], err = os.ReadFile(filepath.Join(scratch, filepath.Base(name))); err != nil { //nolint:gosec // just written
			return fmt.Errorf("read swag's document: %w", err)
		}
	}
	if err := docs.CheckSwagger(files[swaggerFile], g.service); err != nil {
		return err
	}
	files[openapiFile], err = docs.OpenAPI(g.dir, files[swaggerFile], g.service)
	return err
}

// print names the files that are written.
func (g *generation) print(files map[string][]byte) {
	for _, name := range sorted(files) {
		fmt.Fprintln(g.stdout, name)
	}
}

func sorted(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }
