package wire_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/wire"
)

type color string

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *color) UnmarshalText(text []byte) error {
	if string(text) != "red" {
		return json.Unmarshal([]byte("not a color"), c)
	}
	*c = "RED"
	return nil
}

type endless []endless

type node struct{ Children []node }

func TestTextBecomesAValueOrSaysWhatItShouldHaveBeen(t *testing.T) {
	t.Parallel()
	five := 5
	for _, tc := range []struct {
		want    any
		text    string
		message string
	}{
		{"a b", "a b", ""},
		{"", "a\x00", "must not contain NUL characters"},
		{"", "\xff", "must be valid UTF-8"},
		{true, "true", ""},
		{false, "1", "must be true or false"},
		{-5, "-5", ""},
		{0, "05", "must be a whole number"},
		{int8(0), "128", "must be a whole number from -128 to 127"},
		{uint16(65535), "65535", ""},
		{uint16(0), "-1", "must be a whole number from 0 to 65535"},
		{1.5e3, "1.5e3", ""},
		{0.0, ".5", "must be a number"},
		{0.0, "1e-400", "must not be closer to 0 than a float can say"}, {float32(0), "1e-50", "must not be closer to 0 than a float can say"},
		{json.Number("12345678901234567890.5"), "12345678901234567890.5", ""},
		{&five, "5", ""},
		{90 * time.Second, "1m30s", ""},
		{time.Duration(0), "90", "must be a duration such as 1m30s"},
		{time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), "2026-01-31T12:00:00Z", ""},
		{time.Time{}, "2026-01-31", "must be a time such as 2006-01-02T15:04:05Z"},
		{app.Date{}, "2026-02-30", "must be a date such as 2006-01-02"},
		{color("RED"), "red", ""},
		{color(""), "blue", "has the wrong form"},
	} {
		v := reflect.New(reflect.TypeOf(tc.want)).Elem()
		require.Equal(t, tc.message, wire.ParserFor(v.Type())(v, tc.text), tc.text)
		require.Equal(t, tc.want, v.Interface(), tc.text)
	}
	for _, none := range []any{[]string{}, struct{}{}, map[string]int{}, new(*int)} {
		require.Nil(t, wire.ParserFor(reflect.TypeOf(none)), "%T", none)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{"7": 7, "a,b": []string{"a", "b"}, "": []int{}} {
		v := reflect.New(reflect.TypeOf(want)).Elem()
		d, ok := wire.NewDefault(v.Type(), text)
		require.True(t, ok)
		require.Empty(t, d.Apply(v))
		require.Equal(t, want, v.Interface())
	}
	d, _ := wire.NewDefault(reflect.TypeFor[[]int](), "1,x")
	require.Equal(t, "must be a whole number", d.Apply(reflect.New(reflect.TypeFor[[]int]()).Elem()))
	_, ok := wire.NewDefault(reflect.TypeFor[struct{}](), "x")
	require.False(t, ok)
}

func TestFieldsHaveTheNamesThatCallersKnow(t *testing.T) {
	t.Parallel()
	type Embedded struct{}
	typ := reflect.TypeFor[struct {
		Embedded
		A int `json:"a,omitzero"`
		B int `header:"x-request-key"`
		C int `form:"c" json:"-"`
		D int
	}]()
	for i, want := range []string{wire.EmbedMark, "a", "X-Request-Key", "c", ""} {
		require.Equal(t, want, wire.Name(typ.Field(i)))
	}
	sources, name, options := wire.Sources(typ.Field(1))
	require.Equal(t, []wire.Source{wire.JSON}, sources)
	require.Equal(t, "a", name)
	require.Equal(t, []string{"omitzero"}, options)
}

func TestTypes(t *testing.T) {
	t.Parallel()
	require.True(t, wire.IsEndless(reflect.TypeFor[endless]()))
	require.False(t, wire.IsEndless(reflect.TypeFor[node]()), "there is a struct on the way")
	require.Equal(t, reflect.TypeFor[endless](), wire.Element(reflect.TypeFor[endless]()))
	require.Equal(t, reflect.TypeFor[node](), wire.Element(reflect.TypeFor[map[string][]*node]()))
	require.Equal(t, reflect.TypeFor[[]int](), wire.Ruled(reflect.TypeFor[*app.Optional[*[]int]]()))
	require.True(t, wire.IsOptional(reflect.TypeFor[app.Optional[int]]()))
	require.True(t, wire.IsAnyJSON(reflect.TypeFor[any]()) && wire.IsAnyJSON(reflect.TypeFor[json.RawMessage]()))
	require.True(t, wire.HasUnmarshaler(reflect.TypeFor[color]()) && wire.IsOpaque(reflect.TypeFor[color]()))
	require.False(t, wire.HasMarshaler(reflect.TypeFor[color]()), "it only decodes itself")
}

func TestClipKeepsRunesWhole(t *testing.T) {
	t.Parallel()
	require.Equal(t, "short", wire.Clip("short"))
	require.Equal(t, strings.Repeat("a", 99)+"…", wire.Clip(strings.Repeat("a", 99)+"ä"))
	require.Equal(t, "a�b", wire.Clip("a\xffb"))
}
