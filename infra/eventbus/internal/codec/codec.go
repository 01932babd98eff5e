// Package codec copies an event from the publisher's struct to the subscriber's as JSON would.
//
// A codec is compiled for a pair of struct types when the application starts. The compiler also reports the members that do not fit.
// A subscriber gets the same struct from a copy as from the stored JSON of the event. For this, both ways change two things: times
// are in UTC and have no monotonic reading, and empty slices and maps are nil. A copy shares no memory with its source. The front
// of the event bus calls this package on every publish and before every handler. A codec never changes after it was compiled, so any
// number of goroutines may use it at once.
package codec

import (
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
)

// Codec copies structs of one type to structs of another. Make it with [Compile] or [CompileOmitting].
type Codec struct {
	// src is the type of the structs that the codec copies.
	src  reflect.Type
	copy copier
	// flat is true if src has no slices, maps or pointers: then nobody can change a copied struct through another reference.
	flat bool
}

// Reads reports whether the codec can copy event: a struct of the source type, or a pointer to such a struct.
func (c Codec) Reads(event any) bool {
	t := reflect.TypeOf(event)
	return t != nil && (t == c.src || t.Kind() == reflect.Pointer && t.Elem() == c.src)
}

// Copy fills the struct to which dst points from src: a struct of the source type, or a pointer to such a struct. The struct of dst
// must be zero.
func (c Codec) Copy(dst, src any) {
	c.copy(reflect.ValueOf(dst).Elem(), reflect.Indirect(reflect.ValueOf(src)))
}

// Snapshot returns the present state of event in a form that nobody else can change: the struct itself if it is flat, and otherwise
// a pointer to a copy. The codec must copy the event's type to the same type.
func (c Codec) Snapshot(event any) any {
	v := reflect.ValueOf(event)
	if c.flat && v.Kind() == reflect.Struct {
		return event // nobody can change a struct that lies in an interface
	}
	snapshot := reflect.New(c.src)
	if c.flat {
		snapshot.Elem().Set(v.Elem())
	} else {
		c.copy(snapshot.Elem(), reflect.Indirect(v))
	}
	return snapshot.Interface()
}

// Encode returns the JSON of event, a struct or a pointer to a struct.
func Encode(event any) ([]byte, error) {
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return payload, nil
}

// Decode fills the struct to which dst points from its JSON. The struct must be zero, and the codec must copy its type to the same
// type.
func (c Codec) Decode(dst any, payload []byte) error {
	stored := reflect.New(c.src)
	if err := json.Unmarshal(payload, stored.Interface()); err != nil {
		return err
	}
	c.copy(reflect.ValueOf(dst).Elem(), stored.Elem())
	return nil
}

// Misfit is a member of an event that the subscriber declares in a form in which nobody can read it.
type Misfit struct {
	// Field is the JSON name of the member, after the names of the members that contain it: "lines.count". It is "" for the event itself.
	Field string
	// Missing is true if the publisher does not send the member. Otherwise Text describes the problem.
	Missing bool
	// Text continues a sentence that begins with the field: "is a time.Duration, …".
	Text string
}

// String returns a text such as "field id has …". For the event itself, the text is without the field: "has …".
func (m Misfit) String() string {
	if m.Field == "" {
		return m.Text
	}
	return "field " + m.Field + " " + m.Text
}
