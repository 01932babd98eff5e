package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/txtar"
)

// api is a description that was read.
type api struct {
	name      string // of the file, for errors
	positions *token.FileSet
	files     map[string]*ast.File // by folder
	public    map[string]bool      // the folders of public packages
}

// parse reads what describe wrote.
func parse(name string, text []byte) (*api, error) {
	a := &api{name: name, positions: token.NewFileSet(), files: map[string]*ast.File{}, public: map[string]bool{}}
	for _, section := range txtar.Parse(text).Files {
		file, err := parser.ParseFile(a.positions, name+"/"+section.Name, section.Data, parser.SkipObjectResolution)
		if err != nil {
			return nil, a.unreadable(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				f.Body = &ast.BlockStmt{}
			}
		}
		folder, notPublic := strings.CutSuffix(section.Name, notPublic)
		a.files[folder], a.public[folder] = file, !notPublic
	}
	if len(a.files) == 0 {
		return nil, a.unreadable(errors.New("it describes no package"))
	}
	return a, nil
}

func (a *api) unreadable(err error) error {
	return fmt.Errorf("%s cannot be read: %w; take it from the last commit (git checkout -- %[1]s), or write it anew by make api", a.name, err)
}

// foreign returns the import paths of other modules' packages and the standard library's.
func (a *api) foreign() []string {
	var paths []string
	for _, file := range a.files {
		for _, spec := range file.Imports {
			if name, err := strconv.Unquote(spec.Path.Value); err == nil && !strings.HasPrefix(name, "./") {
				paths = append(paths, name)
			}
		}
	}
	return paths
}

// world are the packages of a description as types.
type world struct {
	*api
	module  string
	foreign map[string]*types.Package
	own     map[string]*types.Package // by folder
}

// packages makes types of the description. Its packages are put below the given module's path.
func (a *api) packages(module string, foreign map[string]*types.Package) (map[string]*types.Package, error) {
	w := &world{api: a, module: module, foreign: foreign, own: map[string]*types.Package{}}
	for folder := range a.files {
		if _, err := w.load(folder); err != nil {
			return nil, err
		}
	}
	return w.own, nil
}

func (w *world) load(folder string) (*types.Package, error) {
	if w.own[folder] != nil {
		return w.own[folder], nil
	}
	file := w.files[folder]
	if file == nil {
		return nil, w.unreadable(fmt.Errorf("it has no package %s", folder))
	}
	config := types.Config{Importer: importer{w, file}, IgnoreFuncBodies: true}
	pkg, err := config.Check(path.Join(w.module, folder), w.positions, []*ast.File{file}, nil)
	if err != nil {
		return nil, w.unreadable(err)
	}
	w.own[folder] = pkg
	return pkg, nil
}

// importer resolves the imports of a section.
type importer struct {
	*world
	file *ast.File
}

// Import implements types.Importer.
func (i importer) Import(name string) (*types.Package, error) {
	if folder, own := strings.CutPrefix(name, "./"); own {
		return i.load(folder)
	}
	if pkg := i.foreign[name]; pkg != nil {
		return pkg, nil
	}
	return i.standIn(name), nil
}

// standIn makes a package that the module does not require any more, of what the section names of it.
func (i importer) standIn(name string) *types.Package {
	local := path.Base(name)
	for _, spec := range i.file.Imports {
		if spec.Name != nil && spec.Path.Value == strconv.Quote(name) {
			local = spec.Name.Name
		}
	}
	pkg := types.NewPackage(name, local)
	ast.Inspect(i.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && pkg.Scope().Lookup(sel.Sel.Name) == nil {
				tn := types.NewTypeName(token.NoPos, pkg, sel.Sel.Name, nil)
				types.NewNamed(tn, types.NewStruct(nil, nil), nil)
				pkg.Scope().Insert(tn)
			}
		}
		return true
	})
	pkg.MarkComplete()
	return pkg
}

// loadForeign loads packages as the module in dir sees them; those it does not know are left out.
func loadForeign(ctx context.Context, dir string, paths []string) (map[string]*types.Package, error) {
	found := map[string]*types.Package{"unsafe": types.Unsafe}
	if len(paths) == 0 {
		return found, nil
	}
	const mode = packages.NeedName | packages.NeedTypes | packages.NeedImports
	loaded, err := packages.Load(&packages.Config{Context: ctx, Dir: dir, Mode: mode}, paths...)
	if err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	for _, p := range loaded {
		if len(p.Errors) == 0 && p.Types != nil {
			found[p.PkgPath] = p.Types
		}
	}
	return found, nil
}
