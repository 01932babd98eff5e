package upgrade

import (
	"go/types"
	"maps"
)

// names finds out which declaration with a remarkable comment an object is.
type names struct {
	*declarations
	// fields are the fields among them, in each package that was indexed.
	fields  map[*types.Var]key
	indexed map[*types.Package]bool
	// followers are fields of the service that are named after a renamed type, since they embed it.
	followers map[*types.Var]string
}

// keyOf returns the name of a declaration of a package, a method or a field.
func (n *names) keyOf(obj types.Object) (key, bool) {
	if obj == nil || obj.Pkg() == nil {
		return key{}, false
	}
	k := key{pkg: obj.Pkg().Path(), old: obj.Name()}
	switch obj := obj.(type) {
	case *types.Func:
		receiver := obj.Origin().Signature().Recv()
		if receiver == nil {
			return k, true
		}
		named := namedOf(receiver.Type())
		if named == nil {
			return key{}, false // of an interface without a name
		}
		k.typ = named.Obj().Name()
		return k, true
	case *types.Var:
		if obj.IsField() {
			return n.fieldKey(obj.Origin())
		}
	}
	return k, obj.Parent() == obj.Pkg().Scope()
}

// fieldKey finds the struct that a field belongs to. A package may be there several times, as its tests see it.
func (n *names) fieldKey(field *types.Var) (key, bool) {
	if pkg := field.Pkg(); !n.indexed[pkg] {
		n.indexed[pkg] = true
		for k := range n.deprecated {
			n.index(pkg, k)
		}
		for k := range n.renamed {
			n.index(pkg, k)
		}
	}
	k, ok := n.fields[field]
	return k, ok
}

func (n *names) index(pkg *types.Package, k key) {
	if k.pkg != pkg.Path() || k.typ == "" {
		return
	}
	tn, ok := pkg.Scope().Lookup(k.typ).(*types.TypeName)
	if !ok {
		return
	}
	if s, ok := tn.Type().Underlying().(*types.Struct); ok {
		for f := range s.Fields() {
			if f.Name() == k.old {
				n.fields[f] = k
			}
		}
	}
}

// newName returns the new name of a used object.
func (n *names) newName(obj types.Object) (k key, to string, ok bool) {
	if field, isVar := obj.(*types.Var); isVar && n.followers[field.Origin()] != "" {
		return key{old: field.Name()}, n.followers[field.Origin()], true
	}
	if k, ok = n.keyOf(obj); ok {
		to, ok = n.renamed[k]
	}
	return k, to, ok
}

// follow lets fields be renamed as the type that they embed. Fields of a package's structs are known by name besides, since
// importers may see them as other objects.
func (n *names) follow(pkg *types.Package, fields map[*types.Var]string) {
	maps.Copy(n.followers, fields)
	for _, name := range pkg.Scope().Names() {
		tn, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok || tn.IsAlias() {
			continue
		}
		if s, ok := tn.Type().Underlying().(*types.Struct); ok {
			for f := range s.Fields() {
				if to := fields[f]; to != "" {
					n.renamed[key{pkg.Path(), name, f.Name()}] = to
				}
			}
		}
	}
}

func namedOf(t types.Type) *types.Named {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	named, _ := types.Unalias(t).(*types.Named)
	return named
}
