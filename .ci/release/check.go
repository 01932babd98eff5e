package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// apiFile holds the API.
const apiFile = "docs/api.txt"

// present returns the description of the public packages as they are, and the module's path. Directives that lead nowhere are an
// error.
func present(ctx context.Context, dir string) (text []byte, module string, err error) {
	s, err := load(ctx, dir)
	if err != nil {
		return nil, "", err
	}
	if problems := checkRenames(s); len(problems) > 0 {
		return nil, "", errors.New("renamed declarations:\n  " + strings.Join(problems, "\n  "))
	}
	text, err = describe(s)
	return text, s.module, err
}

// writeAPI writes the file.
func writeAPI(ctx context.Context, dir string, out io.Writer) error {
	text, _, err := present(ctx, dir)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, apiFile), text, 0o644); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	_, err = fmt.Fprintln(out, apiFile)
	return err
}

// checkAPI compares the file with the sources.
func checkAPI(ctx context.Context, dir string, out io.Writer) error {
	held, err := os.ReadFile(filepath.Join(dir, apiFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no %s; run make api", apiFile)
	case err != nil:
		return err
	}
	now, module, err := present(ctx, dir)
	if err != nil {
		return err
	}
	all, err := compare(ctx, dir, module, held, now)
	if err != nil {
		return err
	}
	if broken := incompatible(all); len(broken) > 0 {
		return fmt.Errorf("the API of public packages is not what %s holds:\n%s%s", apiFile, report(broken), advice)
	}
	if len(all) > 0 {
		_, err = fmt.Fprintf(out, "The API of public packages has grown; make release adds to %s:\n%s", apiFile, report(all))
	}
	return err
}
