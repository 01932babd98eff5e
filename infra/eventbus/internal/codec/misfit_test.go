package codec

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type textual struct{ Text string }

func (textual) MarshalText() ([]byte, error) { return nil, nil }

type chain struct {
	Next *chain `json:"next"`
}

type chains []chains

// At the start, the author of a plugin reads which members do not fit. Each row has a publisher's struct, a subscriber's struct, and the
// text for the two.
func TestMisfits(t *testing.T) {
	t.Parallel()
	type (
		number   struct{ N int64 }
		numbered struct {
			Lines []number `json:"lines"`
		}
		worded struct {
			Lines []struct{ N string } `json:"lines"`
		}
	)
	for name, c := range map[string]struct {
		src, dst any
		want     []string
	}{
		"nothing": {number{}, number{}, nil},
		"the subscriber reads less": {struct {
			N int64
			S string
		}{}, number{}, nil},
		"not sent":              {struct{}{}, number{}, []string{"N missing"}},
		"another kind":          {number{}, struct{ N string }{}, []string{"field N is string here and int64 where it is published"}},
		"too narrow":            {number{}, struct{ N int32 }{}, []string{"field N is int32 here and int64 where it is published"}},
		"unsigned and narrower": {struct{ N uint32 }{}, struct{ N uint16 }{}, []string{"field N is uint16 here and uint32 where it is published"}},
		"signed, not wider":     {struct{ N uint64 }{}, number{}, []string{"field N is int64 here and uint64 where it is published"}},
		"arrays of bytes":       {struct{ A [2]byte }{}, struct{ A [2]uint16 }{}, []string{"field A is [2]uint16 here and [2]uint8 where it is published"}},
		"unsigned":              {number{}, struct{ N uint64 }{}, []string{"field N is uint64 here and int64 where it is published"}},
		"a float of a float32":  {struct{ F float32 }{}, struct{ F float64 }{}, []string{"field F is float64 here and float32 where it is published"}},
		"in a list":             {numbered{}, worded{}, []string{"field lines.N is string here and int64 where it is published"}},
		"a named type":          {struct{ L level }{}, number{}, []string{"N missing"}},
		"named and other kind":  {struct{ L level }{}, struct{ L int }{}, []string{"field L is int here and codec.level (string) where it is published"}},
		"null":                  {struct{ N *int64 }{}, number{}, []string{"field N may be null where it is published (*int64); make it a pointer"}},
		"pointer to a pointer":  {struct{ N **int64 }{}, struct{ N **int64 }{}, []string{"field N is a pointer to a pointer, which events do not support"}},
		"bytes and numbers":     {struct{ B []byte }{}, struct{ B []uint16 }{}, []string{"field B is []uint16 here and []uint8 where it is published"}},
		"lengths":               {struct{ A [2]int }{}, struct{ A [3]int }{}, []string{"field A is [3]int here and [2]int where it is published"}},
		"keys that are numbers": {struct{ M map[int]int }{}, struct{ M map[int]int }{}, []string{"field M is a map whose keys are not strings, which events do not support"}},
		"any":                   {struct{ A any }{}, struct{ A any }{}, []string{"field A is of a type that events do not support: interface {}"}},
		"a duration":            {struct{ D time.Duration }{}, number{}, []string{"N missing"}},
		"a duration that is read": {struct{ D time.Duration }{}, struct{ D time.Duration }{}, []string{
			"field D is a time.Duration, which has no JSON form; use a number and name its unit"}},
		"a form of its own":       {struct{ T textual }{}, struct{ T textual }{}, []string{"field T is of a type with a JSON form of its own (codec.textual (struct)), which events do not support"}},
		"the event is such a one": {textual{}, textual{}, []string{"is of a type with a JSON form of its own (codec.textual (struct)), which events do not support"}},
		"itself":                  {chain{}, chain{}, []string{"field next contains itself, which events do not support"}},
		"a list of itself":        {struct{ C chains }{}, struct{ C chains }{}, []string{"field C contains itself, which events do not support"}},
		"one name twice": {number{}, struct {
			N int64
			M int64 `json:"N"`
		}{}, []string{"field N has the JSON name of another field"}},
		"an embedded time": {number{}, struct{ time.Time }{}, []string{
			"is of a type with a JSON form of its own (struct { time.Time }), which events do not support"}},
		"an embedded pointer": {number{}, struct{ *number }{}, []string{
			"field number is embedded and no struct, or one with a JSON form of its own; give it a JSON name"}},
		"nothing exported":     {number{}, struct{ n int }{}, []string{"has no exported fields, which JSON refuses"}},
		"a name, not exported": {number{}, reflect.New(unexported("n", `json:"n"`)).Elem().Interface(), []string{"field n has a JSON name and is not exported"}},
		"quotes":               {number{}, tagged(`json:"'n'"`), []string{"field 'n' has a malformed JSON tag", "'n' missing"}},
		"a last comma":         {number{}, tagged(`json:"N,"`), []string{"field N has a malformed JSON tag"}},
		"an option":            {number{}, tagged(`json:"N,string"`), []string{`field N has the JSON option "string", which events do not support`}},
		"left out":             {number{}, tagged(`json:"-"`), nil},
	} {
		for form, compile := range map[string]func(dst, src reflect.Type) (Codec, []Misfit){"": Compile, ", omitting": CompileOmitting} {
			var got []string
			_, found := compile(reflect.TypeOf(c.dst), reflect.TypeOf(c.src))
			for _, m := range found {
				if m.Missing {
					got = append(got, m.Field+" missing")
				} else {
					got = append(got, m.String())
				}
			}
			require.Equal(t, c.want, got, name+form)
		}
	}
}

func unexported(name, tag string) reflect.Type {
	return reflect.StructOf([]reflect.StructField{{Name: name, PkgPath: "example.org/made", Type: reflect.TypeFor[int64](), Tag: reflect.StructTag(tag)}})
}

// tagged returns a struct of one number with that tag.
func tagged(tag string) any {
	return reflect.New(reflect.StructOf([]reflect.StructField{{Name: "N", Type: reflect.TypeFor[int64](), Tag: reflect.StructTag(tag)}})).Elem().Interface()
}
