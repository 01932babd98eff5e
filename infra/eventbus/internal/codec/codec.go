// Package codec copies an event from the publisher's struct to the subscriber's as JSON would.
//
// A codec is compiled for a pair of struct types when the application starts; the compiler also says what does not fit.
// A copy is what a subscriber would read from the stored JSON of the event, with two things made equal on both ways: times
// are in UTC without monotonic reading, and empty slices and maps are nil. It shares no memory with its source. The front
// of the event bus calls this package on every publish and before every handler. A codec never changes after it was
// compiled, so that any number of goroutines may use it at once.
package codec

import (
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
)

// Codec copies structs of one type to structs of another. Make it with [Compile] or [CompileOmitting].
type Codec struct {
	// src is the type of the structs that are copied.
	src  reflect.Type
	copy copier
	// flat tells that nobody can change a struct of type src through another reference: it has no slices, maps or pointers.
	flat bool
}

// Reads reports whether the codec copies event: whether it is a struct of the source type, or a pointer to one.
func (c Codec) Reads(event any) bool {
	t := reflect.TypeOf(event)
	return t != nil && (t == c.src || t.Kind() == reflect.Pointer && t.Elem() == c.src)
}

// Copy fills the struct that dst points to, which must be zero, from src: a struct of the source type or a pointer to one.
func (c Codec) Copy(dst, src any) {
	c.copy(reflect.ValueOf(dst).Elem(), reflect.Indirect(reflect.ValueOf(src)))
}

// Snapshot returns event as it is now, in a form that nobody else can change: the struct itself if it is flat, otherwise
// a pointer to a copy. The codec is one from the event's type to itself.
func (c Codec) Snapshot(event any) any {
	v := reflect.ValueOf(event)
	if c.flat && v.Kind() == reflect.Struct {
		return event // what an interface holds never changes
	}
	snapshot := reflect.New(c.src)
	if c.flat {
		snapshot.Elem().Set(v.Elem())
	} else {
		c.copy(snapshot.Elem(), reflect.Indirect(v))
	}
	return snapshot.Interface()
}

// Encode returns the JSON of event, a struct or a pointer to one.
func Encode(event any) ([]byte, error) {
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return payload, nil
}

// Decode fills the struct that dst points to, which must be zero, from its JSON. The codec is one from the struct's type to
// itself.
func (c Codec) Decode(dst any, payload []byte) error {
	stored := reflect.New(c.src)
	if err := json.Unmarshal(payload, stored.Interface()); err != nil {
		return err
	}
	c.copy(reflect.ValueOf(dst).Elem(), stored.Elem())
	return nil
}

// Misfit is a member of an event that cannot be read as its subscriber declares it.
type Misfit struct {
	// Field is the member's JSON name, after the names of the members that contain it: "lines.count". It is "" for the event itself.
	Field string
	// Missing tells that the publisher does not send it; otherwise Text says what is wrong.
	Missing bool
	// Text reads on from the field: "is a time.Duration, …".
	Text string
}

// String reads "field id has …", or "has …" when it is about the event itself.
func (m Misfit) String() string {
	if m.Field == "" {
		return m.Text
	}
	return "field " + m.Field + " " + m.Text
}
