package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"plugboard/app/plug/annotate"
	"plugboard/app/plug/docs"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
	"plugboard/infra/host/usage"
)

// openapiFile is the document of the API that the service hands out, from the module's root.
const openapiFile = "docs/openapi.json"

func annotateCommand() *cobra.Command {
	g := &generation{}
	cmd := &cobra.Command{
		Use:   "annotate",
		Short: "Write swag's annotations above the handlers, from what the service registers",
		Args:  usage.NoArguments,
		RunE:  command(func(cmd *cobra.Command, _ []string) error { return g.run(cmd, g.annotateOnly) }),
	}
	cmd.Flags().BoolVar(&g.check, "check", false, "write nothing; fail when an annotation would change, or the API's description has a schema that two domains name alike")
	return cmd
}

func docsCommand() *cobra.Command {
	var old string
	g := &generation{}
	cmd := &cobra.Command{
		Use:   "docs",
		Short: "Write the annotations and all documents in docs/",
		Long: `Writes swag's annotations above the handlers, and from annotations and service the documents docs/openapi.json,
docs/swagger.json and .yaml, docs/asyncapi.yaml, docs/AI_CONTEXT.md and the pictures of docs/architecture.md, where there is one.`,
		Args: usage.NoArguments,
		RunE: command(func(cmd *cobra.Command, _ []string) error {
			if old != "" {
				return runOld(old, cmd.OutOrStdout())
			}
			return g.run(cmd, g.documents)
		}),
	}
	cmd.Flags().BoolVar(&g.check, "check", false, "write nothing; fail when any of it would change")
	cmd.Flags().StringVar(&old, "old", "", "print this OpenAPI document of version 3.1 in version 3.0, and do nothing else")
	cmd.MarkFlagsMutuallyExclusive("check", "old")
	return cmd
}

// generation is one run of the generators.
type generation struct {
	dir     string // the module's root
	check   bool   // only say which files are stale
	service manifest.Service
	stdout  io.Writer
}

// run asks the service and carries out the generation.
func (g *generation) run(cmd *cobra.Command, generate func(context.Context) error) error {
	g.stdout = cmd.OutOrStdout()
	var err error
	if g.dir, err = moduleRoot(cmd.Context()); err != nil {
		return err
	}
	if g.service, err = docs.Ask(cmd.Context(), g.dir); err != nil {
		return err
	}
	return generate(cmd.Context())
}

// annotateOnly writes the annotations, or says which are stale.
func (g *generation) annotateOnly(ctx context.Context) error {
	p, err := docs.Load(ctx, g.dir, g.service)
	if err != nil {
		return err
	}
	if err := g.annotate(p); err != nil || !g.check {
		return err
	}
	swagger, err := os.ReadFile(filepath.Join(g.dir, filepath.FromSlash(docs.SwaggerFile)))
	if err != nil {
		return fmt.Errorf("read swag's document: %w", err)
	}
	return docs.CheckSwagger(swagger, g.service)
}

// documents writes the annotations and all documents, or says which are stale. The service describes itself once, before
// the annotations are written: they only change line numbers, which the documents do not contain.
func (g *generation) documents(ctx context.Context) error {
	p, err := docs.Load(ctx, g.dir, g.service)
	if err != nil {
		return err
	}
	if err := g.annotate(p); err != nil {
		return err
	}
	files, err := p.Files()
	if err != nil {
		return err
	}
	if err := g.describeAPI(p, files); err != nil {
		return err
	}
	if files, err = docs.Changed(g.dir, files); err != nil {
		return err
	}
	if len(files) > 0 && g.check {
		return fmt.Errorf("%s are stale: run go tool plug docs and commit them", strings.Join(sorted(files), ", "))
	}
	g.print(files)
	return docs.Write(g.dir, files)
}

func (g *generation) annotate(p *docs.Project) error {
	files, err := annotate.Files(p.Sources, g.service.Endpoints)
	if err != nil {
		return err
	}
	if len(files) > 0 && g.check {
		return fmt.Errorf("the annotations of %s are stale: run go tool plug docs and commit them", strings.Join(sorted(files), ", "))
	}
	g.print(files)
	return docs.Write(g.dir, files)
}

// describeAPI adds the documents of the API to files: OpenAPI 3.1 from the manifest, and swag's documents from the
// annotations.
func (g *generation) describeAPI(p *docs.Project, files map[string][]byte) error {
	if err := docs.CheckManifest(g.service); err != nil {
		return err
	}
	swagger, err := p.Swagger()
	if err != nil {
		return err
	}
	maps.Copy(files, swagger)
	if err := docs.CheckSwagger(swagger[docs.SwaggerFile], g.service); err != nil {
		return err
	}
	files[openapiFile], err = p.OpenAPI(swagger[docs.SwaggerFile])
	return err
}

// print names the files that are written.
func (g *generation) print(files map[string][]byte) {
	for _, name := range sorted(files) {
		fmt.Fprintln(g.stdout, name)
	}
}

func sorted(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

// runOld prints a document in the words of the version before.
func runOld(file string, stdout io.Writer) error {
	document, err := os.ReadFile(file) //nolint:gosec // the caller's
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	old, err := openapi.Old(document)
	if err != nil {
		return err
	}
	_, err = stdout.Write(old)
	return err
}
