package docs

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/swaggo/swag/gen"

	"plugboard/infra/host/manifest"
)

// The documents that swag writes, from the module's root.
const (
	SwaggerFile     = "docs/swagger.json"
	SwaggerYAMLFile = "docs/swagger.yaml"
)

// Swagger returns swag's documents, by their path from the module's root: what the annotations of all listed domains say.
//
// Swag reads the folder domains where it is, and the folder app of a service. It asks the go command for the import path of each folder that it is given,
// which has no answer below vendor, and it reads all folders below; so it gets a copy of the package docs, of the contract,
// and of each package of other modules' domains, in a small module of the package's name.
func (p *Project) Swagger() (files map[string][]byte, err error) {
	scratch, err := os.MkdirTemp("", "plug-docs-")
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	overrides := filepath.Join(scratch, "overrides")
	if err := os.WriteFile(overrides, SwagOverrides(p.service), 0o600); err != nil {
		return nil, fmt.Errorf("write overrides for swag: %w", err)
	}
	if _, err := os.Stat(filepath.Join(p.Sources.Dir, "docs", "docs.go")); err != nil {
		return nil, errors.New("docs/docs.go is missing, in which the lines @title and @version describe the API; plug init makes one")
	}
	folders := []string{filepath.Join(scratch, "docs")}
	if err := copyPackage(folders[0], filepath.Join(p.Sources.Dir, "docs"), p.Sources.Module+"/docs"); err != nil {
		return nil, err
	}
	if err := defineSecurity(filepath.Join(folders[0], "docs.go"), p.service.SecuritySchemes); err != nil {
		return nil, err
	}
	for _, name := range p.rooms() {
		if folder := filepath.Join(p.Sources.Dir, name); isFolder(folder) {
			folders = append(folders, folder)
		}
	}
	for i, pkg := range p.others() {
		folders = append(folders, filepath.Join(scratch, fmt.Sprint("package", i)))
		if err := copyPackage(folders[len(folders)-1], p.Sources.Folder(pkg), pkg); err != nil {
			return nil, err
		}
	}
	var said log
	err = gen.New().Build(&gen.Config{
		Debugger: &said, SearchDir: strings.Join(folders, ","), MainAPIFile: "docs.go", OutputDir: scratch, OutputTypes: []string{"json", "yaml"},
		OverridesFile: overrides, PropNamingStrategy: "camelcase", LeftTemplateDelim: "{{", RightTemplateDelim: "}}",
		ParseDepth: depthOfSwag, CollectionFormat: "csv",
	})
	if err != nil {
		return nil, fmt.Errorf("run swag: %w\n%s", err, strings.Join(said, "\n"))
	}
	files = map[string][]byte{}
	for _, name := range []string{SwaggerFile, SwaggerYAMLFile} {
		if files[name], err = os.ReadFile(filepath.Join(scratch, path.Base(name))); err != nil { //nolint:gosec // just written
			return nil, fmt.Errorf("read swag's document: %w", err)
		}
	}
	return files, nil
}

// depthOfSwag is how deep swag looks into the imports of what it reads; the default of its command.
const depthOfSwag = 100

// rooms are the folders of the module whose types the annotations name: domains, and app of a service, which has what its
// domains share. The host's own app is the contract, one package of many.
func (p *Project) rooms() []string {
	if p.contract == p.Sources.Module+"/app" {
		return []string{"domains"}
	}
	return []string{"domains", "app"}
}

// others are the packages outside of the service's domains that the annotations name: the contract, and those of listed
// domains of other modules.
func (p *Project) others() []string {
	domains := map[string]bool{}
	for _, e := range p.service.Endpoints {
		if _, pkg, own := p.Sources.File(e.Source); !own && !e.Hidden {
			domains[path.Dir(pkg)] = true
		}
	}
	all := []string{p.contract}
	for pkg := range p.Sources.Folders {
		if domains[pkg] || domains[path.Dir(pkg)] {
			all = append(all, pkg)
		}
	}
	slices.Sort(all[1:])
	return all
}

// copyPackage copies the Go files of a package, without its tests, to a new module of the package's name.
func copyPackage(to, from, pkg string) error {
	names, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err == nil {
		err = os.Mkdir(to, 0o750)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "go.mod"), []byte("module "+pkg+"\n\ngo 1.26\n"), 0o600)
	}
	for _, name := range names {
		if err != nil {
			break
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		var text []byte
		if text, err = os.ReadFile(name); err == nil { //nolint:gosec // a source of the service
			err = os.WriteFile(filepath.Join(to, filepath.Base(name)), text, 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("copy package %s for swag: %w", pkg, err)
	}
	return nil
}

// defineSecurity adds the schemes of the service's authenticator to the copy of docs.go that swag reads, in Swagger 2.0, which knows keys in
// headers alone: a bearer token is one in Authorization, a cookie one in Cookie.
func defineSecurity(name string, schemes []manifest.SecurityScheme) error {
	if len(schemes) == 0 {
		return nil
	}
	text, err := os.ReadFile(name) //nolint:gosec // a copy that was just made
	if err != nil {
		return fmt.Errorf("define security schemes: %w", err)
	}
	var lines strings.Builder
	for _, s := range schemes {
		header := "Authorization"
		switch {
		case s.In == "cookie":
			header = "Cookie"
		case s.Type == "apiKey":
			header = s.Key
		}
		fmt.Fprintf(&lines, "//\t@securityDefinitions.apikey\t%s\n//\t@in\theader\n//\t@name\t%s\n", s.Name, header)
		if s.Description != "" {
			fmt.Fprintf(&lines, "//\t@description\t%s\n", s.Description)
		}
	}
	changed := strings.Replace(string(text), "\npackage ", "\n"+lines.String()+"package ", 1)
	if err := os.WriteFile(name, []byte(changed), 0o600); err != nil { //nolint:gosec // the same copy
		return fmt.Errorf("define security schemes: %w", err)
	}
	return nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// log keeps what swag says; it is shown when swag fails.
type log []string

// Printf implements swag's Debugger.
func (l *log) Printf(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }
