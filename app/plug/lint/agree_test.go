package lint_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"plugboard/app"
	"plugboard/app/plug/lint"
	"plugboard/infra/eventbus"
)

// both is one type as the compiler's library knows it and as the running program does.
type both struct {
	static  types.Type
	running reflect.Type
}

// leaves returns the types that others are made of: the basic ones, those of time, and those of named_test.go.
func leaves(t *testing.T) []both {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "named_test.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	// Without its function, the file needs nothing but time.
	file.Decls = slices.DeleteFunc(file.Decls, func(d ast.Decl) bool {
		f, ok := d.(*ast.FuncDecl)
		return ok && f.Recv == nil
	})
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil), Error: func(error) {}} // reflect is imported and not used
	pkg, _ := config.Check("plugboard/app/plug/lint_test", fset, []*ast.File{file}, nil)
	clock, err := config.Importer.Import("time")
	require.NoError(t, err)
	all := []both{
		{clock.Scope().Lookup("Time").Type(), reflect.TypeFor[time.Time]()},
		{clock.Scope().Lookup("Duration").Type(), reflect.TypeFor[time.Duration]()},
	}
	for _, running := range []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](),
		reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](),
		reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[uintptr](), reflect.TypeFor[float32](), reflect.TypeFor[float64](),
		reflect.TypeFor[complex128](), reflect.TypeFor[any](), reflect.TypeFor[error](),
	} {
		name := running.String()
		if name == "interface {}" {
			name = "any"
		}
		all = append(all, both{types.Universe.Lookup(name).Type(), running})
	}
	named := namedTypes()
	for _, name := range slices.Sorted(maps.Keys(named)) {
		require.NotNil(t, pkg.Scope().Lookup(name), name)
		all = append(all, both{pkg.Scope().Lookup(name).Type(), named[name]})
	}
	return all
}

// anyType draws a type: a leaf, or one made of others.
func anyType(t *rapid.T, leaves []both, depth int) both {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	if depth == 0 || kind > 4 {
		return rapid.SampledFrom(leaves).Draw(t, "leaf")
	}
	if kind == 4 {
		return anyStruct(t, leaves, depth)
	}
	of := anyType(t, leaves, depth-1)
	switch kind {
	case 0:
		return both{types.NewPointer(of.static), reflect.PointerTo(of.running)}
	case 1:
		return both{types.NewSlice(of.static), reflect.SliceOf(of.running)}
	case 2:
		n := rapid.IntRange(0, 2).Draw(t, "length")
		return both{types.NewArray(of.static, int64(n)), reflect.ArrayOf(n, of.running)}
	default:
		key := rapid.SampledFrom(leaves).Filter(func(b both) bool { return b.running.Comparable() && types.Comparable(b.static) }).Draw(t, "key")
		return both{types.NewMap(key.static, of.static), reflect.MapOf(key.running, of.running)}
	}
}

// anyStruct draws a struct whose fields have few names, so that two structs have some in common.
func anyStruct(t *rapid.T, leaves []both, depth int) both {
	var static []*types.Var
	var tags []string
	var running []reflect.StructField
	for i := range rapid.IntRange(0, 4).Draw(t, "fields") {
		of := anyType(t, leaves, depth-1)
		name := rapid.SampledFrom([]string{"F", "F", "F", "f"}).Draw(t, "name") + strconv.Itoa(i)
		tag := rapid.SampledFrom([]string{
			"", `json:"a"`, `json:"b"`, `json:"c"`, `json:"d,omitempty"`, `json:"e,string"`, `json:"-"`, `json:"'f'"`, `json:",omitzero"`, `json:"g,"`,
		}).Draw(t, "tag")
		s, r := field(name, tag, of)
		static, tags, running = append(static, s), append(tags, tag), append(running, r)
	}
	return both{types.NewStruct(static, tags), reflect.StructOf(running)}
}

// field makes a field of a struct; one that begins with a small letter is not exported.
func field(name, tag string, of both) (*types.Var, reflect.StructField) {
	const pkg = "example.org/made"
	r := reflect.StructField{Name: name, Type: of.running, Tag: reflect.StructTag(tag)}
	if !token.IsExported(name) {
		r.PkgPath = pkg
	}
	return types.NewField(token.NoPos, types.NewPackage(pkg, "made"), name, of.static, false), r
}

// changed draws a type that differs from a struct in some fields, so that most of it fits.
func changed(t *rapid.T, leaves []both, b both) both {
	s, ok := b.static.(*types.Struct)
	if !ok {
		return b
	}
	var static []*types.Var
	var tags []string
	var running []reflect.StructField
	for i := range s.NumFields() {
		of := both{s.Field(i).Type(), b.running.Field(i).Type}
		switch rapid.IntRange(0, 5).Draw(t, "change") {
		case 0:
			of = anyType(t, leaves, 1)
		case 1:
			of = both{types.NewPointer(of.static), reflect.PointerTo(of.running)}
		case 2:
			of = changed(t, leaves, of)
		case 3:
			continue
		}
		v, r := field(s.Field(i).Name(), s.Tag(i), of)
		static, tags, running = append(static, v), append(tags, s.Tag(i)), append(running, r)
	}
	return both{types.NewStruct(static, tags), reflect.StructOf(running)}
}

// typeText is what the two say of types, each in its words.
var typeText = regexp.MustCompile(`\(.*\)|is .* here and .* where it is published|support: .*`)

func static(dst, src both) []lint.Misfit {
	found := lint.Misfits(dst.static, src.static)
	for i := range found {
		found[i].Text = typeText.ReplaceAllString(found[i].Text, "…")
	}
	return found
}

func running(dst, src both) []lint.Misfit {
	var found []lint.Misfit
	for _, m := range eventbus.Misfits(dst.running, src.running) {
		found = append(found, lint.Misfit{Field: m.Field, Missing: m.Missing, Text: typeText.ReplaceAllString(m.Text, "…")})
	}
	return found
}

// eachAlone returns structs of one field of each of the types, and of what is made of those that JSON may write as text.
func eachAlone(all []both) []both {
	var structs []both
	add := func(b both) {
		structs = append(structs, both{
			types.NewStruct([]*types.Var{types.NewField(token.NoPos, nil, "F", b.static, false)}, []string{`json:"f"`}),
			reflect.StructOf([]reflect.StructField{{Name: "F", Type: b.running, Tag: `json:"f"`}}),
		})
	}
	for _, b := range all {
		add(b)
		if b.running.Kind() == reflect.Struct && b.running != reflect.TypeFor[time.Time]() {
			structs = append(structs, b)
		}
		if slices.Contains([]string{"uint8", "octet", "tiny", "uint16", "string", "plain"}, b.running.Name()) {
			add(both{types.NewSlice(b.static), reflect.SliceOf(b.running)})
			add(both{types.NewArray(b.static, 2), reflect.ArrayOf(2, b.running)})
			add(both{types.NewArray(b.static, 3), reflect.ArrayOf(3, b.running)})
			add(both{types.NewPointer(b.static), reflect.PointerTo(b.running)})
		}
	}
	return structs
}

// What lint says of events without starting, and what the start says, is the same: of each type by itself, and of each
// pair of types that are right by themselves. What both let pass has a JSON form.
func TestLintAndStartAgreeOnEvents(t *testing.T) {
	t.Parallel()
	all := leaves(t)
	agree := func(t require.TestingT, dst, src both) {
		found := running(dst, src)
		require.ElementsMatch(t, found, static(dst, src), "start, lint; %s read from %s", dst.running, src.running)
		if dst == src && len(found) == 0 {
			_, err := json.Marshal(reflect.New(dst.running).Interface())
			require.NoError(t, err, dst.running)
		}
	}
	structs := eachAlone(all)
	for _, dst := range structs {
		agree(t, dst, dst)
		for _, src := range structs {
			if len(running(dst, dst)) == 0 && len(running(src, src)) == 0 {
				agree(t, dst, src)
			}
		}
	}
	fit := 0
	draw := func(t *rapid.T) {
		src := anyStruct(t, all, 3)
		dst := changed(t, all, src)
		agree(t, src, src)
		agree(t, dst, dst)
		if len(running(dst, dst)) == 0 && len(running(src, src)) == 0 {
			agree(t, dst, src)
			agree(t, src, dst)
			if len(running(dst, src)) == 0 && dst.running.NumField() > 0 {
				fit++
			}
		}
	}
	for range 10 {
		rapid.Check(t, draw)
	}
	t.Logf("%d drawn pairs fit", fit)
}

// The form of the host's own event is known to lint without its source.
func TestLintKnowsTheDeadLetter(t *testing.T) {
	t.Parallel()
	var known, declared []string
	for _, f := range lint.DeadLetter().Fields {
		known = append(known, f.Name+" "+f.Type.Text)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[app.DeadLetter]()) {
		declared = append(declared, f.Tag.Get("json")+" "+f.Type.String())
	}
	require.Equal(t, declared, known)
}
