package codec

import (
	"fmt"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A volatile subscriber gets a copy, and a durable subscriber may get the stored JSON. Both must get the same struct.
func TestTheCopyAndTheStoredJSONAgree(t *testing.T) {
	t.Parallel()
	t.Run("types with methods and embedded structs", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, allFieldsAgree)
	})
	t.Run("random types", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, randomTypesAgree)
	})
}

func FuzzTheCopyAndTheStoredJSONAgree(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		if rapid.Bool().Draw(t, "random types") {
			randomTypesAgree(t)
		} else {
			allFieldsAgree(t)
		}
	}))
}

func allFieldsAgree(t *rapid.T) {
	published := genSource().Draw(t, "event")
	agree(t, reflect.ValueOf(&published), reflect.TypeFor[target]())
}

func randomTypesAgree(t *rapid.T) {
	types := structPair(t, 3)
	published := reflect.New(types.src)
	setAny(t, published.Elem())
	agree(t, published, types.dst)
}

// agree publishes a struct, by value or by pointer, to a subscriber that declares dst, on both ways.
func agree(t *rapid.T, published reflect.Value, dst reflect.Type) {
	src := published.Type().Elem()
	snapshot, bad := Compile(src, src)
	require.Empty(t, bad, "%s", src)
	direct, bad := CompileOmitting(dst, src)
	require.Empty(t, bad, "%s from %s", dst, src)
	self, bad := Compile(dst, dst)
	require.Empty(t, bad, "%s", dst)

	if rapid.Bool().Draw(t, "by value") {
		published = published.Elem()
	}
	kept := snapshot.Snapshot(published.Interface())
	require.True(t, direct.Reads(kept))
	copied, read := reflect.New(dst), reflect.New(dst)
	direct.Copy(copied.Interface(), kept)
	payload, err := Encode(kept)
	require.NoError(t, err)
	require.NoError(t, self.Decode(read.Interface(), payload))
	if !reflect.DeepEqual(copied.Interface(), read.Interface()) {
		t.Fatalf("the copy is %+v, the JSON %s is read as %+v", copied, payload, read)
	}
}

// pair has the type of a member in the publisher's struct, and a type that a subscriber may declare for it.
type pair struct{ src, dst reflect.Type }

func same[T any]() pair { return pair{reflect.TypeFor[T](), reflect.TypeFor[T]()} }

func wider[S, D any]() pair { return pair{reflect.TypeFor[S](), reflect.TypeFor[D]()} }

var simplePairs = []pair{
	same[bool](), same[string](), wider[string, level](), wider[level, string](), same[time.Time](), same[float32](), same[float64](),
	same[int](), same[int8](), wider[int8, int64](), wider[int16, int32](), wider[int32, int](), wider[int64, int64](),
	same[uint8](), same[uint64](), wider[uint8, uint16](), wider[uint8, int16](), wider[uint32, int64](), same[coarse](), same[sparse](),
}

// anyPair draws a pair of types that fit.
func anyPair(t *rapid.T, depth int) pair {
	kind := "simple"
	if depth > 0 {
		kind = rapid.SampledFrom([]string{"simple", "slice", "array", "map", "pointer", "optional", "struct"}).Draw(t, "kind")
	}
	switch kind {
	case "slice":
		of := elementPair(t, depth)
		return pair{reflect.SliceOf(of.src), reflect.SliceOf(of.dst)}
	case "array":
		n, of := rapid.IntRange(0, 3).Draw(t, "length"), elementPair(t, depth)
		return pair{reflect.ArrayOf(n, of.src), reflect.ArrayOf(n, of.dst)}
	case "map":
		of := anyPair(t, depth-1)
		return pair{reflect.MapOf(reflect.TypeFor[string](), of.src), reflect.MapOf(reflect.TypeFor[level](), of.dst)}
	case "pointer", "optional":
		of := anyPair(t, depth-1)
		switch {
		case of.dst.Kind() == reflect.Pointer: // no pointers to pointers
		case kind == "pointer":
			return pair{reflect.PointerTo(of.src), reflect.PointerTo(of.dst)}
		default:
			return pair{of.src, reflect.PointerTo(of.dst)}
		}
		return of
	case "struct":
		return structPair(t, depth)
	default:
		return rapid.SampledFrom(simplePairs).Draw(t, "type")
	}
}

// elementPair draws a pair of types of elements, both of them bytes or neither.
func elementPair(t *rapid.T, depth int) pair {
	of := anyPair(t, depth-1)
	if of.src.Kind() == reflect.Uint8 {
		of.dst = of.src
	}
	return of
}

func structPair(t *rapid.T, depth int) pair {
	var src, dst []reflect.StructField
	field := func(name string, typ reflect.Type) reflect.StructField {
		options := rapid.SampledFrom([]string{"", ",omitempty", ",omitzero", ",omitempty,omitzero"}).Draw(t, "options")
		return reflect.StructField{Name: name, Type: typ, Tag: reflect.StructTag(fmt.Sprintf(`json:"%s%s"`, name, options))}
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "fields") {
		name, of := "F"+strconv.Itoa(i), anyPair(t, depth-1)
		src = append(src, field(name, of.src))
		if rapid.IntRange(0, 3).Draw(t, "read") > 0 {
			dst = append(dst, field(name, of.dst))
		}
	}
	return pair{reflect.StructOf(src), reflect.StructOf(dst)}
}

// setAny sets v to a random value, which is zero or empty often.
func setAny(t *rapid.T, v reflect.Value) {
	if v.Type() == timeType {
		v.Set(reflect.ValueOf(genOften(genTime()).Draw(t, "time")))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.String:
		v.SetString(genOften(genText()).Draw(t, "string"))
	case reflect.Float32:
		v.SetFloat(float64(genOften(rapid.Float32Range(-1e30, 1e30)).Draw(t, "float")))
	case reflect.Float64:
		v.SetFloat(genOften(genFloat()).Draw(t, "float"))
	case reflect.Slice:
		n := rapid.IntRange(-1, 2).Draw(t, "length")
		if n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		setElements(t, v)
	case reflect.Array:
		setElements(t, v)
	case reflect.Map:
		setEntries(t, v)
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "not nil") {
			v.Set(reflect.New(v.Type().Elem()))
			setAny(t, v.Elem())
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			setAny(t, field)
		}
	default:
		setInteger(t, v)
	}
}

func setElements(t *rapid.T, v reflect.Value) {
	for i := range v.Len() {
		setAny(t, v.Index(i))
	}
}

func setEntries(t *rapid.T, v reflect.Value) {
	n := rapid.IntRange(-1, 2).Draw(t, "entries")
	if n < 0 {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for range n {
		value := reflect.New(v.Type().Elem()).Elem()
		setAny(t, value)
		v.SetMapIndex(reflect.ValueOf(genText().Draw(t, "key")), value)
	}
}

func setInteger(t *rapid.T, v reflect.Value) {
	bits := int(v.Type().Size()) * 8
	if v.CanInt() {
		v.SetInt(genOften(rapid.Int64Range(-1<<(bits-1), 1<<(bits-1)-1)).Draw(t, "integer"))
	} else {
		v.SetUint(genOften(rapid.Uint64Range(0, 1<<bits-1)).Draw(t, "integer"))
	}
}
