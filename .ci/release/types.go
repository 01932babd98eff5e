package main

import (
	"fmt"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// declareType writes a type: in full, with its methods, or its name alone.
func (d *description) declareType(tn *types.TypeName, full bool) {
	s := d.section(tn.Pkg())
	if done, seen := s.done[tn]; done || seen && !full {
		return
	}
	s.done[tn] = full
	text := "type " + tn.Name()
	switch t := tn.Type().(type) {
	case *types.Alias:
		text += d.typeParams(s, t.TypeParams()) + " = "
		d.need(t.Rhs(), true)
		text += d.typ(s, t.Rhs())
	case *types.Named:
		text += d.typeParams(s, t.TypeParams()) + " "
		if !full {
			text += opaque(t)
			break
		}
		text += d.underlying(s, t.Underlying())
		for _, m := range methodsOf(t) {
			if (m.Exported() || s.hidden[m.Name()]) && !d.isHosts(m) {
				text += "\n" + d.method(s, tn, m)
			}
		}
	}
	s.text["4type "+tn.Name()] = text
}

// opaque is what is written in the place of a type's contents.
func opaque(t *types.Named) string {
	if types.IsInterface(t) {
		return "interface{ contents() }"
	}
	return "struct{}"
}

func methodsOf(t *types.Named) []*types.Func {
	methods := slices.Collect(t.Methods())
	slices.SortFunc(methods, func(a, b *types.Func) int { return strings.Compare(a.Name(), b.Name()) })
	return methods
}

// typeParams writes a list of type parameters.
func (d *description) typeParams(s *section, list *types.TypeParamList) string {
	if list.Len() == 0 {
		return ""
	}
	var all []string
	for p := range list.TypeParams() {
		d.need(p.Constraint(), true)
		all = append(all, p.Obj().Name()+" "+d.typ(s, p.Constraint()))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// method writes a method. One that is not exported counts by its name alone.
func (d *description) method(s *section, of *types.TypeName, m *types.Func) string {
	receiver := m.Signature().Recv()
	name, typ := receiver.Name(), of.Name()
	if _, ok := types.Unalias(receiver.Type()).(*types.Pointer); ok {
		typ = "*" + typ
	}
	if params := m.Signature().RecvTypeParams(); params.Len() > 0 {
		var names []string
		for p := range params.TypeParams() {
			names = append(names, p.Obj().Name())
		}
		typ += "[" + strings.Join(names, ", ") + "]"
	}
	text := "func (" + strings.TrimSpace(name+" "+typ) + ") " + m.Name()
	if !m.Exported() {
		return text + "()"
	}
	return text + d.signature(s, m.Signature())
}

// underlying writes what a type is.
func (d *description) underlying(s *section, t types.Type) string {
	switch t := t.(type) {
	case *types.Struct:
		return d.structure(s, t)
	case *types.Interface:
		return d.contract(s, t)
	}
	return d.typ(s, t)
}

// structure writes a struct. Fields that are not exported are one field without a name, which says whether they can be
// compared.
func (d *description) structure(s *section, t *types.Struct) string {
	text, rest := "struct {\n", ""
	for i := range t.NumFields() {
		f := t.Field(i)
		tag := ""
		if t.Tag(i) != "" {
			tag = " " + quote(t.Tag(i))
		}
		switch {
		case f.Embedded():
			d.need(f.Type(), true)
			text += d.typ(s, f.Type()) + tag + "\n"
		case f.Exported():
			text += f.Name() + " " + d.typ(s, f.Type()) + tag + "\n"
		case !types.Comparable(f.Type()):
			rest = "_ [0]func()\n"
		case rest == "":
			rest = "_ struct{}\n"
		}
	}
	if text += rest; t.NumFields() == 0 {
		return "struct{}"
	}
	return text + "}"
}

func quote(tag string) string {
	if strconv.CanBackquote(tag) {
		return "`" + tag + "`"
	}
	return strconv.Quote(tag)
}

// contract writes an interface.
func (d *description) contract(s *section, t *types.Interface) string {
	var lines []string
	for m := range t.ExplicitMethods() {
		if m.Exported() {
			lines = append(lines, m.Name()+d.signature(s, m.Signature()))
		} else {
			lines = append(lines, m.Name()+"()")
		}
	}
	slices.Sort(lines)
	var embedded []string
	for e := range t.EmbeddedTypes() {
		d.need(e, true)
		embedded = append(embedded, d.typ(s, e))
	}
	if len(lines)+len(embedded) == 0 {
		return "interface{}"
	}
	return fmt.Sprintf("interface {\n%s\n}", strings.Join(append(embedded, lines...), "\n"))
}

// need declares the types of the module that a type names and that are not declared as exported ones of public packages. Those
// whose members become another type's are declared in full.
func (d *description) need(t types.Type, full bool) {
	switch t := t.(type) {
	case *types.Alias:
		d.needName(t.Obj(), full)
		d.needAll(t.TypeArgs())
	case *types.Named:
		d.needName(t.Obj(), full)
		d.needAll(t.TypeArgs())
	case *types.Signature:
		for p := range t.TypeParams().TypeParams() {
			d.need(p.Constraint(), true)
		}
		d.need(t.Params(), false)
		d.need(t.Results(), false)
	case *types.Tuple:
		for v := range t.Variables() {
			d.need(v.Type(), false)
		}
	case *types.Struct:
		for f := range t.Fields() {
			d.need(f.Type(), f.Embedded())
		}
	case *types.Interface:
		for m := range t.ExplicitMethods() {
			d.need(m.Signature(), false)
		}
		for e := range t.EmbeddedTypes() {
			d.need(e, true)
		}
	case *types.Union:
		for term := range t.Terms() {
			d.need(term.Type(), true)
		}
	case *types.Map:
		d.need(t.Key(), false)
		d.need(t.Elem(), false)
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		_, pointer := t.(*types.Pointer)
		d.need(t.Elem(), full && pointer)
	}
}

func (d *description) needAll(list *types.TypeList) {
	for t := range list.Types() {
		d.need(t, true) // it may have to satisfy something
	}
}

// needName declares a type that is named somewhere.
func (d *description) needName(tn *types.TypeName, full bool) {
	switch pkg := tn.Pkg(); {
	case pkg == nil || d.folder(pkg.Path()) == "" && pkg.Path() != d.module:
	case !d.public[pkg.Path()]:
		d.declareType(tn, full)
	case !tn.Exported():
		d.declareType(tn, true)
	case d.isHosts(tn):
		d.declareType(tn, full)
	}
}
