package docs

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// contextSettings lists the settings with the comments above their fields, which are in config/config.go or in a domain.
func (p *Project) contextSettings(b *page) error {
	fields, err := settingFields(filepath.Join(p.Sources.Folder(p.host+"/config"), "config.go"))
	if err != nil {
		return err
	}
	b.line("## Settings\n\nFrom the environment, else from the YAML file that `APP_CONFIG` names, else the default. " +
		"A secret may be in a file that `<NAME>_FILE` names.\n")
	for _, s := range p.service.Settings {
		line := fmt.Sprintf("- `%s` = `%s`", s.Env, s.Default)
		pkg, field := p.host+"/config", fields[s.Key]
		if s.Package != "" { // a domain's own
			pkg, field = s.Package, s.Field
		}
		if text := p.comments.Sentence(pkg, field); text != "" {
			line += ": " + text
		}
		if s.Wanted != "" {
			line += "; " + strings.TrimPrefix(s.Wanted, "a duration with its unit, such as 500ms, 30s or 10m, ")
		}
		b.line("%s", line)
	}
	b.line("")
	return nil
}

// settingFields returns the fields of the page of settings by key: "http.addr" is "HTTP.Addr".
func settingFields(name string) (map[string]string, error) {
	page, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	structs := map[string]*ast.StructType{}
	ast.Inspect(page, func(n ast.Node) bool {
		if t, ok := n.(*ast.TypeSpec); ok {
			if s, ok := t.Type.(*ast.StructType); ok {
				structs[t.Name.Name] = s
			}
		}
		return true
	})
	found := map[string]string{}
	var walk func(name, prefix string)
	walk = func(name, prefix string) {
		s, ok := structs[name]
		if !ok {
			return
		}
		delete(structs, name) // a struct is one section
		for _, f := range s.Fields.List {
			key := keyOf(f)
			if key == "" || len(f.Names) == 0 {
				continue
			}
			found[prefix+key] = name + "." + f.Names[0].Name
			if t, ok := f.Type.(*ast.Ident); ok {
				walk(t.Name, prefix+key+".")
			}
		}
	}
	walk("Config", "")
	return found, nil
}

func keyOf(f *ast.Field) string {
	if f.Tag == nil {
		return ""
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return ""
	}
	return reflect.StructTag(tag).Get("key")
}

var target = regexp.MustCompile(`(?m)^([a-z][a-z/]*):.*?## (.+)$`)

// contextCommands lists the commands of make, plug and the binary.
func (p *Project) contextCommands(b *page) error {
	text, err := p.read("Makefile")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b.line("## Commands\n")
	for _, m := range target.FindAllStringSubmatch(text, -1) {
		b.line("- `make %s`: %s", m[1], m[2])
	}
	for _, c := range p.service.Commands {
		b.line("- `%s`: %s", strings.TrimSpace(c.Use), c.Short)
	}
	return nil
}
