package app

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Optional is a field of a PATCH body that may be cleared. It tells apart a member that was omitted
// (Set is false), one that is null (Set and Null), and one with a value (Set).
type Optional[T any] struct {
	// Set tells whether the member was there.
	Set bool
	// Null tells whether it was null.
	Null bool
	// Value is the value, when Set and not Null.
	Value T
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *Optional[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	o.Set = true
	if dec.PeekKind() == 'n' {
		o.Null = true
		return dec.SkipValue()
	}
	return json.UnmarshalDecode(dec, &o.Value)
}

// Ptr returns nil when the value is absent or null, else a pointer to it.
func (o Optional[T]) Ptr() *T {
	if !o.Set || o.Null {
		return nil
	}
	v := o.Value
	return &v
}

// OptionalValue returns what is set, for validation by the field's rules: nil unless there is a value;
// for the host.
func (o Optional[T]) OptionalValue() any {
	if !o.Set || o.Null {
		return nil
	}
	return o.Value
}
