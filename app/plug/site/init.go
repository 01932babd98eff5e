package site

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/template"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"plugboard/config"
)

//go:embed templates/*.tmpl
var templates embed.FS

// Site is the module of a new service.
type Site struct {
	// Module is its path.
	Module string
	// Host is the path of the host's module, Version the version of it that the service requires.
	Host, Version string
	// Replace is the folder that the host is taken from instead, "" for none.
	Replace string
}

// files are the files of a new service with their templates. What it has nothing for yet is left out.
var files = map[string]string{
	"go.mod":                             "go.mod.tmpl",
	"main.go":                            "main.go.tmpl",
	"main_test.go":                       "main_test.go.tmpl",
	"Makefile":                           "Makefile.tmpl",
	"README.md":                          "README.md.tmpl",
	".gitignore":                         "gitignore.tmpl",
	".dockerignore":                      "dockerignore.tmpl",
	".ci/run":                            "ci.tmpl",
	"deployments/Dockerfile":             "Dockerfile.tmpl",
	"docs/docs.go":                       "docs.go.tmpl",
	"domains/greetings/greetings.go":     "domain.go.tmpl",
	"domains/greetings/plugins/greet.go": "greet.go.tmpl",
	"domains/greetings/plugins/greet_test.go": "greet_test.go.tmpl",
}

// generated are the files that commands add to those of the site.
var generated = []string{"go.sum", "docs/openapi.json", "docs/swagger.json", "docs/swagger.yaml", "docs/asyncapi.yaml", "docs/AI_CONTEXT.md"}

// NoDocument stands where docs/docs.go embeds the API's description until that is generated.
const NoDocument = "{}\n"

// New returns the site of a service of the path, which requires the host as this program was built from it: the version
// that was published, or for a clone the clone's folder, which is for trying out. Dir is where the site will be.
func New(modulePath, dir string) (Site, error) {
	s := Site{Module: modulePath, Host: Host(), Version: "v0.0.0"}
	if modulePath == s.Host || strings.HasPrefix(modulePath, s.Host+"/") {
		return s, fmt.Errorf("%s is the host's own path; give the service another, such as example.org/shop", modulePath)
	}
	if err := module.CheckPath(modulePath); err != nil {
		return s, fmt.Errorf("%w; give a path such as example.org/shop", err)
	}
	if root := clone(); root != "" {
		s.Replace = from(dir, root)
		return s, nil
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || !strings.HasPrefix(info.Main.Version, "v") {
		return s, errors.New("this program does not know its version; run it as: go run " + s.Host + "/app/plug@latest init " + modulePath)
	}
	s.Version = info.Main.Version
	return s, nil
}

// clone returns the folder of the clone that this program was built in, "" when it was built from a published module. It
// is for the developer's machine, where the sources still are.
func clone() string {
	_, file, _, _ := runtime.Caller(0)
	root, ok := strings.CutSuffix(filepath.ToSlash(filepath.Dir(file)), "/app/plug/site")
	if !ok || !filepath.IsAbs(file) || strings.Contains(path.Base(root), "@") || strings.Contains(root, "/vendor/") {
		return ""
	}
	if _, err := os.Stat(filepath.Join(filepath.FromSlash(root), "go.mod")); err != nil {
		return ""
	}
	return filepath.FromSlash(root)
}

// from returns root as a site in dir names it: relative when the site is below it, so that both can move together.
func from(dir, root string) string {
	if rel, err := filepath.Rel(dir, root); err == nil && rel != "." && strings.Trim(filepath.ToSlash(rel), "./") == "" {
		return filepath.ToSlash(rel) // ../..
	}
	return root
}

// Name is the service's name, as the running service has it.
func (s Site) Name() string {
	return config.NameOf(s.Module)
}

// Title is the name as a title: "Order desk" of order-desk.
func (s Site) Title() string {
	words := strings.FieldsFunc(s.Name(), func(r rune) bool { return r == '-' || r == '_' || r == '.' || r == '~' })
	text := strings.Join(words, " ")
	if text == "" {
		return s.Name()
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// Replacement is Replace as go.mod has it, in quotes where it needs them.
func (s Site) Replacement() string { return modfile.AutoQuote(s.Replace) }

// Go is the version of Go that a service is made for: the host's own, as its go.mod has it.
func (s Site) Go() string { return "1.26.0" }

// GoMinor is the version without its last number.
func (s Site) GoMinor() string { return strings.TrimSuffix(s.Go(), path.Ext(s.Go())) }

// Files returns the files of the site, by their path from its root. The API's description is not among them: it is generated.
func (s Site) Files() (map[string][]byte, error) {
	texts := map[string][]byte{}
	var problems []error
	for name, from := range files {
		text, err := s.fill(name, from)
		texts[name] = text
		problems = append(problems, err)
	}
	return texts, errors.Join(problems...)
}

// Write writes the files of the site into dir, which it makes, and returns their names, sorted. It writes nothing when one
// of them is there already.
func (s Site) Write(dir string) ([]string, error) {
	texts, err := s.Files()
	if err != nil {
		return nil, err
	}
	var problems []error
	names := slices.Sorted(maps.Keys(texts))
	for _, name := range slices.Concat(names, generated) {
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name))); err == nil {
			problems = append(problems, fmt.Errorf("%s is there already; take an empty folder", name))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return names, store(dir, texts)
}

// Complete writes those files of the site that dir has not, but for the first domain.
func (s Site) Complete(dir string) error {
	texts, err := s.Files()
	if err != nil {
		return err
	}
	maps.DeleteFunc(texts, func(name string, _ []byte) bool {
		_, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
		return err == nil || strings.HasPrefix(name, "domains/")
	})
	return store(dir, texts)
}

func (s Site) fill(name, from string) ([]byte, error) {
	var text bytes.Buffer
	parsed, err := template.ParseFS(templates, "templates/"+from)
	if err == nil {
		err = parsed.Execute(&text, s)
	}
	if err != nil {
		return nil, fmt.Errorf("fill in %s: %w", name, err)
	}
	if path.Ext(name) == ".go" {
		return format.Source(text.Bytes())
	}
	return text.Bytes(), nil
}

// store writes files into dir, and where it embeds the API's description a document that is none yet. They are for
// everybody, as sources are; a script may be run.
func store(dir string, texts map[string][]byte) error {
	if _, err := os.Lstat(filepath.Join(dir, "docs", "openapi.json")); err != nil {
		texts["docs/openapi.json"] = []byte(NoDocument)
	}
	for name, text := range texts {
		file := filepath.Join(dir, filepath.FromSlash(name))
		mode := os.FileMode(0o644)
		if bytes.HasPrefix(text, []byte("#!")) {
			mode = 0o755
		}
		err := os.MkdirAll(filepath.Dir(file), 0o755) //nolint:gosec // as above
		if err == nil {
			err = os.WriteFile(file, text, mode)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}
