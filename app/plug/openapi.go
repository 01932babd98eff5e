package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"plugboard/app/plug/describe"
	"plugboard/app/plug/openapi"
)

// runOpenAPI writes the OpenAPI 3.0 document, or says that it is stale.
func runOpenAPI(ctx context.Context, args []string) error {
	check := slices.Equal(args, []string{"-check"})
	if len(args) > 0 && !check {
		return fmt.Errorf("openapi takes -check or nothing, not %q", args)
	}
	dir, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	service, err := describe.Ask(ctx, dir)
	if err != nil {
		return err
	}
	swagger, err := os.ReadFile(filepath.Join(dir, "docs", "swagger.json")) //nolint:gosec // of this module
	if err != nil {
		return fmt.Errorf("read description: %w", err)
	}
	text, err := openapi.Generate(ctx, swagger, service.Routes)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "docs", "openapi.json")
	if !check {
		return writeFile(name, text)
	}
	now, err := os.ReadFile(name) //nolint:gosec // of this module
	if err != nil || !bytes.Equal(now, text) {
		return errors.Join(errors.New("docs/openapi.json is stale: run make docs and commit it"), err)
	}
	return nil
}

func writeFile(name string, text []byte) error {
	if err := os.WriteFile(name, text, 0o644); err != nil { //nolint:gosec // a source file
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}
