package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// public are the folders of the packages whose API is held, as far as they exist. Services may import these alone; app/plug is a
// command besides.
var public = []string{"app", "app/apptest", "app/apptest/rules", "infra/host"}

// hostPrefix begins the names of the files that hold the host's half of a package, of which nothing is promised.
const hostPrefix = "host_"

// sources are the public packages as they are.
type sources struct {
	module   string
	packages []*packages.Package
}

// load reads the public packages of the module in dir, without their tests.
func load(ctx context.Context, dir string) (*sources, error) {
	var patterns []string
	for _, folder := range public {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(folder))); err == nil {
			patterns = append(patterns, "./"+folder)
		}
	}
	if len(patterns) == 0 {
		return nil, fmt.Errorf("%s has none of the public packages (%s)", dir, strings.Join(public, ", "))
	}
	const mode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedModule |
		packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo
	loaded, err := packages.Load(&packages.Config{Context: ctx, Dir: dir, Mode: mode}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	slices.SortFunc(loaded, func(a, b *packages.Package) int { return cmp.Compare(a.PkgPath, b.PkgPath) })
	s := &sources{packages: loaded}
	for _, p := range loaded {
		for _, problem := range p.Errors {
			err = errors.Join(err, problem)
		}
		if p.Module != nil {
			s.module = p.Module.Path
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the public packages do not compile; see go build ./...:\n%w", err)
	}
	return s, nil
}
