package rules

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"plugboard/app/apptest"
	"plugboard/infra/host/application"
	"plugboard/infra/host/manifest"
)

// testModules is the rule that the modules fit together and are all there.
func testModules(t *testing.T, s *site) {
	t.Helper()
	a := s.unopened(t)
	service, err := a.Manifest()
	if err != nil {
		t.Fatalf("describe the application: %v", err)
	}
	problems, err := checkListed(s.tree, s.module, service)
	if err != nil {
		t.Fatal(err)
	}
	report(t, problems)
}

// pluginFiles returns the plugin files of all domains.
func pluginFiles(tree fs.FS) ([]string, error) {
	found, err := fs.Glob(tree, "domains/*/plugins/*.go")
	if err != nil {
		return nil, fmt.Errorf("find plugin files: %w", err)
	}
	return slices.DeleteFunc(found, func(name string) bool {
		return path.Base(name) == "doc.go" || strings.HasSuffix(name, "_test.go")
	}), nil
}

// checkListed finds plugin files whose plugin is not registered, and plugins of the module that are of no plugin file. A plugin of another
// module is no concern of it.
func checkListed(tree fs.FS, module string, service manifest.Service) ([]string, error) {
	inFiles, err := pluginFiles(tree)
	if err != nil {
		return nil, err
	}
	registered := map[string]string{} // the plugins' names by their files
	for _, d := range service.Domains {
		for _, p := range d.Plugins {
			file, _, _ := strings.Cut(strings.TrimPrefix(p.Source, module+"/"), ".go:")
			registered[file+".go"] = p.Name
		}
	}
	var problems []string
	for _, name := range inFiles {
		if _, ok := registered[name]; !ok {
			domain := strings.Split(name, "/")[1]
			problems = append(problems, fmt.Sprintf("%s: its plugin is not registered; list it in domains/%s/%s.go, and the domain in main.go", name, domain, domain))
		}
	}
	for _, file := range slices.Sorted(maps.Keys(registered)) {
		if _, err := fs.Stat(tree, file); err == nil && !contains(inFiles, file) {
			problems = append(problems, fmt.Sprintf("%s: declares the plugin %s; plugins are in domains/<domain>/plugins, one in a file", file, registered[file]))
		}
	}
	return problems, nil
}

// testTables is the rule that models equal tables.
func testTables(t *testing.T, s *site) {
	t.Helper()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		a := s.assembled(t, db.URL)
		if err := a.DB().Open(t.Context()); err != nil {
			t.Fatalf("open database: %v", err)
		}
		t.Cleanup(func() {
			if err := a.DB().Close(context.WithoutCancel(t.Context())); err != nil {
				t.Errorf("close database: %v", err)
			}
		})
		if err := a.DB().Migrate(t.Context(), a.Migrations()); err != nil {
			t.Fatalf("migrate database: %v", err)
		}
		report(t, checkTables(t.Context(), a))
	})
}

// checkTables finds models that differ from their table.
func checkTables(ctx context.Context, a *application.App) []string {
	var problems []string
	models := a.Models()
	for _, domain := range slices.Sorted(maps.Keys(models)) {
		for _, err := range apptest.CompareModels(ctx, a.DB(), models[domain]) {
			problems = append(problems, fmt.Sprintf("domain %s: %v; write a migration, or change the model", domain, err))
		}
	}
	return problems
}
