package main

import (
	"bytes"
	"fmt"
	"go/format"
	"go/types"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"
)

const (
	// heading begins the file.
	heading = `What the packages of this module promise to services, as Go declarations. Made by make api; do not edit.
"./app" is the package in the folder app. Types of packages that are not public, and those of the host's half of a public one
(host_*.go), are named without their contents.

`
	// notPublic follows the folder of a package that others' signatures name and that services must not import.
	notPublic = " (not public)"
)

// description is the API while it is being written.
type description struct {
	*sources
	sections map[string]*section // by import path
	public   map[string]bool
}

// section is one package of the description.
type section struct {
	pkg     *types.Package
	imports map[string]string        // the local names, by import path
	text    map[string]string        // the declarations, by kind and name
	done    map[*types.TypeName]bool // whether they are declared in full
	// hidden are the unexported methods of the interfaces: who has them satisfies these.
	hidden map[string]bool
}

// describe writes the API of the packages.
func describe(s *sources) ([]byte, error) {
	d := &description{sources: s, sections: map[string]*section{}, public: map[string]bool{}}
	for _, p := range s.packages {
		d.public[p.PkgPath] = true
		d.section(p.Types)
	}
	for _, p := range s.packages {
		scope := p.Types.Scope()
		for _, name := range scope.Names() {
			if obj := scope.Lookup(name); obj.Exported() && !d.isHosts(obj) {
				d.declare(obj)
			}
		}
	}
	return d.file()
}

// section returns the section of a package of the module.
func (d *description) section(pkg *types.Package) *section {
	if d.sections[pkg.Path()] == nil {
		d.sections[pkg.Path()] = &section{
			pkg: pkg, imports: map[string]string{}, text: map[string]string{}, done: map[*types.TypeName]bool{}, hidden: hiddenMethods(pkg),
		}
	}
	return d.sections[pkg.Path()]
}

func hiddenMethods(pkg *types.Package) map[string]bool {
	hidden := map[string]bool{}
	for _, name := range pkg.Scope().Names() {
		if i, ok := pkg.Scope().Lookup(name).Type().Underlying().(*types.Interface); ok {
			for m := range i.Methods() {
				hidden[m.Name()] = hidden[m.Name()] || !m.Exported()
			}
		}
	}
	return hidden
}

// isHosts says whether something is declared in the host's half of its package.
func (d *description) isHosts(obj types.Object) bool {
	return strings.HasPrefix(filepath.Base(d.packages[0].Fset.Position(obj.Pos()).Filename), hostPrefix)
}

// declare writes the declaration of a constant, a variable or a function, or of a type with its methods.
func (d *description) declare(obj types.Object) {
	s := d.section(obj.Pkg())
	switch obj := obj.(type) {
	case *types.Const:
		s.text["1const "+obj.Name()] = d.constant(s, obj)
	case *types.Var:
		s.text["2var "+obj.Name()] = "var " + obj.Name() + " " + d.typ(s, obj.Type())
	case *types.Func:
		s.text["3func "+obj.Name()] = "func " + obj.Name() + d.signature(s, obj.Signature())
	case *types.TypeName:
		d.declareType(obj, true)
	}
}

func (d *description) constant(s *section, c *types.Const) string {
	value := c.Val().ExactString()
	if over, under, ok := strings.Cut(value, "/"); ok && c.Type().Underlying().(*types.Basic).Info()&types.IsNumeric != 0 {
		value = over + ".0/" + under + ".0" // an exact fraction
	}
	typ := " "
	if basic, ok := c.Type().(*types.Basic); !ok || basic.Info()&types.IsUntyped == 0 {
		typ = " " + d.typ(s, c.Type()) + " "
	}
	return "const " + c.Name() + typ + "= " + value
}

// signature writes parameters and results.
func (d *description) signature(s *section, sig *types.Signature) string {
	var text bytes.Buffer
	types.WriteSignature(&text, sig, d.qualifier(s))
	d.need(sig, false)
	return text.String()
}

// typ writes a type where it is used.
func (d *description) typ(s *section, t types.Type) string {
	d.need(t, false)
	return types.TypeString(t, d.qualifier(s))
}

// qualifier returns the local names of imported packages.
func (d *description) qualifier(s *section) types.Qualifier {
	return func(pkg *types.Package) string {
		if pkg == s.pkg {
			return ""
		}
		if s.imports[pkg.Path()] == "" {
			s.imports[pkg.Path()] = s.freeName(pkg.Name())
		}
		return s.imports[pkg.Path()]
	}
}

func (s *section) freeName(name string) string {
	taken := slices.Collect(maps.Values(s.imports))
	for n := 2; ; n++ {
		if !slices.Contains(taken, name) && s.pkg.Scope().Lookup(name) == nil {
			return name
		}
		name = strings.TrimRight(name, "0123456789") + strconv.Itoa(n)
	}
}

// folder returns where a package is in the module, or "" for one of another module.
func (s *sources) folder(importPath string) string {
	if folder, ok := strings.CutPrefix(importPath, s.module+"/"); ok {
		return folder
	}
	return ""
}

// file puts the sections into one file.
func (d *description) file() ([]byte, error) {
	archive := &txtar.Archive{Comment: []byte(heading)}
	order := slices.SortedFunc(maps.Keys(d.sections), func(a, b string) int {
		if d.public[a] != d.public[b] {
			return map[bool]int{true: -1, false: 1}[d.public[a]]
		}
		return strings.Compare(a, b)
	})
	for _, importPath := range order {
		name := d.folder(importPath)
		if !d.public[importPath] {
			name += notPublic
		}
		text, err := format.Source([]byte(d.sections[importPath].source(d.sources)))
		if err != nil {
			return nil, fmt.Errorf("write the API of %s: %w", importPath, err)
		}
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: append(text, '\n')})
	}
	return append(bytes.TrimSpace(txtar.Format(archive)), '\n'), nil
}

// source writes the section as a Go file.
func (s *section) source(of *sources) string {
	var text strings.Builder
	fmt.Fprintf(&text, "package %s\n\n", s.pkg.Name())
	text.WriteString(s.importList(of))
	kind := ""
	for _, key := range slices.Sorted(maps.Keys(s.text)) {
		if key[0] == '4' || key[:1] != kind {
			text.WriteString("\n")
		}
		kind = key[:1]
		text.WriteString(s.text[key] + "\n")
	}
	return text.String()
}

func (s *section) importList(of *sources) string {
	if len(s.imports) == 0 {
		return ""
	}
	text := "import (\n"
	for _, importPath := range slices.Sorted(maps.Keys(s.imports)) {
		name, written := s.imports[importPath]+" ", importPath
		if folder := of.folder(importPath); folder != "" {
			written = "./" + folder
		}
		if path.Base(importPath) == s.imports[importPath] {
			name = ""
		}
		text += fmt.Sprintf("\t%s%q\n", name, written)
	}
	return text + ")\n"
}
