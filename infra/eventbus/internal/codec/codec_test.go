package codec

import (
	"math"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type level string

type inner struct {
	Name  string     `json:"name"`
	At    time.Time  `json:"at"`
	Maybe *int64     `json:"maybe,omitempty"`
	Gone  *time.Time `json:"gone"`
}

type embedded struct {
	Code uint16 `json:"code"`
}

// sparse is written as {} when all its fields are empty.
type sparse struct {
	Text *string    `json:"text,omitempty"`
	Tags *[]string  `json:"tags,omitempty"`
	At   *time.Time `json:"at,omitzero"`
	Next *embedded  `json:"next,omitempty"`
}

// coarse has an IsZero method.
type coarse struct {
	Cents int64 `json:"cents"`
}

func (c coarse) IsZero() bool { return c.Cents < 100 }

type boxRead struct {
	Code *uint16 `json:"code"`
}

// source has every kind of field that events support; target reads them all, some as wider types.
type source struct {
	embedded
	B      bool              `json:"b"`
	I8     int8              `json:"i8"`
	I32    int32             `json:"i32"`
	I64    int64             `json:"i64,omitzero"`
	U8     uint8             `json:"u8"`
	U64    uint64            `json:"u64"`
	F32    float32           `json:"f32"`
	F64    float64           `json:"f64"`
	S      string            `json:"s,omitempty"`
	L      level             `json:"l"`
	T      time.Time         `json:"t"`
	Bytes  []byte            `json:"bytes"`
	Array  [3]int16          `json:"array"`
	List   []inner           `json:"list"`
	Nested [][]string        `json:"nested"`
	Map    map[string]inner  `json:"map,omitempty"`
	Names  map[level]int32   `json:"names"`
	Ptr    *inner            `json:"ptr"`
	Ptrs   []*float64        `json:"ptrs"`
	Plain  string            // named by its Go name
	Skip   func()            `json:"-"`
	hidden int               //nolint:unused // unexported fields are not part of the event
	Extra  map[string]string `json:"extra"`

	Text   *string   `json:"text,omitempty"`
	Word   string    `json:"word,omitempty"`
	Sparse *sparse   `json:"sparse,omitempty"`
	Rest   []sparse  `json:"rest"`
	None   int64     `json:"none,omitzero"`
	Coarse coarse    `json:"coarse,omitzero"`
	Coin   *coarse   `json:"coin,omitzero"`
	Box    embedded  `json:"box,omitzero"`
	When   time.Time `json:"when,omitzero"`

	Date  *time.Time  `json:"date,omitempty"`
	Boxes [2]embedded `json:"boxes,omitzero"`
}

type target struct {
	embedded
	B      bool             `json:"b"`
	I8     int64            `json:"i8"`
	I32    *int32           `json:"i32"`
	I64    int64            `json:"i64"`
	U8     int16            `json:"u8"`
	U64    uint64           `json:"u64"`
	F32    float32          `json:"f32"`
	F64    float64          `json:"f64"`
	S      level            `json:"s"`
	L      string           `json:"l"`
	T      time.Time        `json:"t"`
	Bytes  []byte           `json:"bytes"`
	Array  [3]int32         `json:"array"`
	List   []inner          `json:"list"`
	Nested [][]level        `json:"nested"`
	Map    map[level]inner  `json:"map"`
	Names  map[string]int64 `json:"names"`
	Ptr    *inner           `json:"ptr"`
	Ptrs   []*float64       `json:"ptrs"`
	Plain  string

	Text   *string    `json:"text,omitempty"`
	Word   *level     `json:"word"`
	Sparse *sparse    `json:"sparse,omitempty"`
	Rest   []sparse   `json:"rest"`
	None   *int64     `json:"none"`
	Coarse coarse     `json:"coarse"`
	Coin   *coarse    `json:"coin"`
	Box    boxRead    `json:"box"`
	When   *time.Time `json:"when"`

	Date  *time.Time `json:"date"`
	Boxes [2]boxRead `json:"boxes"`
}

func genTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		at := time.Unix(rapid.Int64Range(-62135596800, 253402200000).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns"))
		return at.In(time.FixedZone("x", 60*rapid.IntRange(-700, 700).Draw(t, "zone")))
	})
}

func genText() *rapid.Generator[string] {
	return rapid.String().Filter(utf8.ValidString)
}

func genFloat() *rapid.Generator[float64] {
	return rapid.Float64().Filter(func(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) })
}

func genInner() *rapid.Generator[inner] {
	return rapid.Custom(func(t *rapid.T) inner {
		i := inner{Name: genText().Draw(t, "name"), At: genTime().Draw(t, "at")}
		i.Maybe = rapid.Ptr(rapid.Int64(), true).Draw(t, "maybe")
		i.Gone = rapid.Ptr(genTime(), true).Draw(t, "gone")
		return i
	})
}

// genOften draws the zero value half of the time.
func genOften[T any](g *rapid.Generator[T]) *rapid.Generator[T] {
	var zero T
	return rapid.OneOf(rapid.Just(zero), g)
}

func genSparse() *rapid.Generator[sparse] {
	return rapid.Custom(func(t *rapid.T) sparse {
		return sparse{
			Text: rapid.Ptr(genOften(genText()), true).Draw(t, "text"),
			Tags: rapid.Ptr(rapid.SliceOfN(genText(), 0, 1), true).Draw(t, "tags"),
			At:   rapid.Ptr(genOften(genTime()), true).Draw(t, "at"),
			Next: genOften(rapid.Just(&embedded{})).Draw(t, "next"),
		}
	})
}

func genCoarse() *rapid.Generator[coarse] {
	return rapid.Custom(func(t *rapid.T) coarse { return coarse{Cents: rapid.Int64Range(0, 200).Draw(t, "cents")} })
}

func genSource() *rapid.Generator[source] {
	return rapid.Custom(func(t *rapid.T) source {
		return source{
			embedded: embedded{Code: rapid.Uint16().Draw(t, "code")},
			B:        rapid.Bool().Draw(t, "b"), I8: rapid.Int8().Draw(t, "i8"), I32: rapid.Int32().Draw(t, "i32"), I64: rapid.Int64().Draw(t, "i64"),
			U8: rapid.Uint8().Draw(t, "u8"), U64: rapid.Uint64().Draw(t, "u64"),
			F32: float32(rapid.Float32Range(-1e30, 1e30).Draw(t, "f32")), F64: genFloat().Draw(t, "f64"),
			S: genText().Draw(t, "s"), L: level(genText().Draw(t, "l")), T: genTime().Draw(t, "t"),
			Bytes: rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"),
			Array: [3]int16{rapid.Int16().Draw(t, "a0"), 0, rapid.Int16().Draw(t, "a2")},
			List:  rapid.SliceOfN(genInner(), 0, 3).Draw(t, "list"), Nested: rapid.SliceOfN(rapid.SliceOfN(genText(), 0, 3), 0, 3).Draw(t, "nested"),
			Map: rapid.MapOfN(genText(), genInner(), 0, 3).Draw(t, "map"), Names: rapid.MapOfN(rapid.Map(genText(), func(s string) level { return level(s) }), rapid.Int32(), 0, 3).Draw(t, "names"),
			Ptr: rapid.Ptr(genInner(), true).Draw(t, "ptr"), Ptrs: rapid.SliceOfN(rapid.Ptr(genFloat(), true), 0, 3).Draw(t, "ptrs"),
			Plain: genText().Draw(t, "plain"),
			Text:  rapid.Ptr(genOften(genText()), true).Draw(t, "text"), Word: genOften(genText()).Draw(t, "word"),
			Sparse: rapid.Ptr(genOften(genSparse()), true).Draw(t, "sparse"), Rest: rapid.SliceOfN(genOften(genSparse()), 0, 2).Draw(t, "rest"),
			None: genOften(rapid.Int64()).Draw(t, "none"), Coarse: genCoarse().Draw(t, "coarse"), Coin: rapid.Ptr(genCoarse(), true).Draw(t, "coin"),
			Box: embedded{Code: genOften(rapid.Uint16()).Draw(t, "box")}, When: genOften(genTime()).Draw(t, "when"),
			Date: rapid.Ptr(genTime(), true).Draw(t, "date"), Boxes: [2]embedded{{Code: genOften(rapid.Uint16()).Draw(t, "first box")}},
		}
	})
}

func TestACopySharesNothing(t *testing.T) {
	t.Parallel()
	p, bad := Compile(reflect.TypeFor[target](), reflect.TypeFor[source]())
	require.Empty(t, bad)
	n := 1.5
	published := source{
		Bytes: []byte("abc"), List: []inner{{Name: "a"}}, Nested: [][]string{{"x"}}, Map: map[string]inner{"k": {Name: "v"}},
		Names: map[level]int32{"n": 1}, Ptr: &inner{Name: "p"}, Ptrs: []*float64{&n},
	}
	var got target
	p.Copy(&got, &published)
	published.Bytes[0], published.List[0].Name, published.Nested[0][0], published.Ptr.Name, n = 'z', "z", "z", "z", 9
	published.Map["k"] = inner{Name: "z"}
	published.Names["n"] = 9
	require.Equal(t, "abc", string(got.Bytes))
	require.Equal(t, "a", got.List[0].Name)
	require.Equal(t, level("x"), got.Nested[0][0])
	require.Equal(t, "v", got.Map["k"].Name)
	require.Equal(t, int64(1), got.Names["n"])
	require.Equal(t, "p", got.Ptr.Name)
	require.InDelta(t, 1.5, *got.Ptrs[0], 0)
}

func TestFlatEventsAreNotCopiedTwice(t *testing.T) {
	t.Parallel()
	for typ, flat := range map[reflect.Type]bool{
		reflect.TypeFor[embedded](): true, reflect.TypeFor[inner](): false,
		reflect.TypeFor[struct{ P *int64 }](): false, reflect.TypeFor[struct{ A [2]string }](): true,
	} {
		p, bad := Compile(typ, typ)
		require.Empty(t, bad)
		require.Equal(t, flat, p.flat, typ)
	}
}

// A publisher may go on using an event that it has published, by value or by pointer.
func TestASnapshotIsTheEventAsItWas(t *testing.T) {
	t.Parallel()
	flat, bad := Compile(reflect.TypeFor[embedded](), reflect.TypeFor[embedded]())
	require.Empty(t, bad)
	event := &embedded{Code: 1}
	byValue, byPointer := flat.Snapshot(*event), flat.Snapshot(event)
	event.Code = 2
	require.Equal(t, embedded{Code: 1}, byValue)
	require.Equal(t, &embedded{Code: 1}, byPointer)

	type pointing struct{ Code *uint16 }
	deep, bad := Compile(reflect.TypeFor[pointing](), reflect.TypeFor[pointing]())
	require.Empty(t, bad)
	code := uint16(1)
	held := &pointing{Code: &code}
	byValue, byPointer = deep.Snapshot(*held), deep.Snapshot(held)
	code, held.Code = 2, nil
	one := uint16(1)
	require.Equal(t, &pointing{Code: &one}, byValue)
	require.Equal(t, &pointing{Code: &one}, byPointer)
}

func TestReads(t *testing.T) {
	t.Parallel()
	c, bad := Compile(reflect.TypeFor[boxRead](), reflect.TypeFor[embedded]())
	require.Empty(t, bad)
	require.True(t, c.Reads(embedded{}))
	require.True(t, c.Reads(&embedded{}))
	for _, other := range []any{nil, boxRead{}, &boxRead{}, 1, new(*embedded)} {
		require.False(t, c.Reads(other), "%T", other)
	}
	require.False(t, Codec{}.Reads(nil))
}

func TestWhatIsNoJSONOfAnEventIsNotDecoded(t *testing.T) {
	t.Parallel()
	c, bad := Compile(reflect.TypeFor[embedded](), reflect.TypeFor[embedded]())
	require.Empty(t, bad)
	for _, payload := range []string{"", "[]", `{"code":-1}`, `{"code":1`, `{"code":1,"code":2}`} {
		var event embedded
		require.Error(t, c.Decode(&event, []byte(payload)), payload)
		require.Zero(t, event)
	}
}

// A publisher's struct contains itself. The check of the publication refuses it, but a subscriber's codec is compiled from it all the
// same. The compiler must come to an end.
func TestAPublisherThatContainsItselfIsNoEndlessLoop(t *testing.T) {
	t.Parallel()
	type node struct {
		Next *node `json:"next,omitempty"`
	}
	type read struct {
		Next *struct{} `json:"next"`
	}
	_, bad := CompileOmitting(reflect.TypeFor[read](), reflect.TypeFor[node]())
	require.Empty(t, bad)
	_, bad = Compile(reflect.TypeFor[node](), reflect.TypeFor[node]())
	require.Equal(t, []Misfit{{Field: "next", Text: "contains itself, which events do not support"}}, bad)
}

// few has an IsZero method of its pointer. An event in an interface has no pointer.
type few struct {
	N int `json:"n"`
}

func (f *few) IsZero() bool { return f.N < 10 }

func TestJSONLeavesOutWhatSaysThatItIsZero(t *testing.T) {
	t.Parallel()
	type event struct {
		Few few `json:"few,omitzero"`
	}
	type read struct {
		Few *few `json:"few"`
	}
	c, bad := CompileOmitting(reflect.TypeFor[read](), reflect.TypeFor[event]())
	require.Empty(t, bad)
	for n, want := range map[int]*few{9: nil, 10: {N: 10}} {
		var byValue, byPointer read
		c.Copy(&byValue, event{few{n}})
		c.Copy(&byPointer, &event{few{n}})
		require.Equal(t, read{want}, byValue)
		require.Equal(t, read{want}, byPointer)
	}
}

func BenchmarkCopy(b *testing.B) {
	type small struct {
		ID    int64   `json:"id"`
		Name  string  `json:"name"`
		Price float64 `json:"price"`
	}
	type part struct {
		ID    int64   `json:"id"`
		Price float64 `json:"price"`
	}
	f, text := 1.5, "text"
	large := source{
		T: time.Now(), Bytes: make([]byte, 1000), List: []inner{{Name: "a"}, {Name: "b"}}, Nested: [][]string{{"x"}, {"y", "z"}},
		Map: map[string]inner{"k": {Name: "v"}}, Names: map[level]int32{"n": 1}, Ptr: &inner{Name: "p"}, Ptrs: []*float64{&f}, Text: &text,
	}
	for name, c := range map[string]struct{ dst, src any }{
		"part of a small one": {&part{}, small{ID: 1, Name: "Desk lamp", Price: 49.9}},
		"all of a large one":  {&target{}, &large},
	} {
		read, bad := CompileOmitting(reflect.TypeOf(c.dst).Elem(), reflect.Indirect(reflect.ValueOf(c.src)).Type())
		require.Empty(b, bad)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				read.Copy(c.dst, c.src)
			}
		})
	}
}
