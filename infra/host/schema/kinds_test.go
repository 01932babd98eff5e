package schema_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/host/schema"
)

// link reads itself from a text, and is written as the struct that it is.
type link struct{ *url.URL }

// UnmarshalJSON implements json.Unmarshaler.
func (l *link) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	parsed, err := url.Parse(s)
	l.URL = parsed
	return err
}

// A type that only reads itself was described as what it is written as: an object, where the service takes a text.
func TestATypeThatOnlyReadsItselfCanBeAnything(t *testing.T) {
	t.Parallel()
	got := schema.NewSet().Of(reflect.TypeFor[link](), schema.Use{})
	require.Subset(t, got.Type, []string{"object", "string"})
	require.NotEmpty(t, got.Rules, "that it has a form of its own is told")

	got = schema.NewSet().Of(reflect.TypeFor[app.Date](), schema.Use{})
	require.Equal(t, "date", got.Format)
}

// An answer's values that the tag enums lists were lost, while Swagger 2.0 had them.
func TestTheTagEnumsTellsTheValuesOfAnAnswer(t *testing.T) {
	t.Parallel()
	type answer struct {
		State  string   `json:"state" enums:"open,closed"`
		Level  *int     `json:"level" enums:"1,2"`
		States []string `json:"states" enums:"open,closed"`
	}
	got, err := json.Marshal(schema.Inline(reflect.TypeFor[answer]()))
	require.NoError(t, err)
	var told struct {
		Properties map[string]struct {
			Enum  []any
			Items struct{ Enum []any }
		}
	}
	require.NoError(t, json.Unmarshal(got, &told))
	require.Equal(t, []any{"open", "closed"}, told.Properties["state"].Enum)
	require.Equal(t, []any{1.0, 2.0, nil}, told.Properties["level"].Enum)
	require.Equal(t, []any{"open", "closed"}, told.Properties["states"].Items.Enum)
}
