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
	require.Empty(t, got.Type)
	require.NotEmpty(t, got.Rules, "that it has a form of its own is told")

	got = schema.NewSet().Of(reflect.TypeFor[app.Date](), schema.Use{})
	require.Equal(t, "date", got.Format)
}
