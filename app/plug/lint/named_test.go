package lint_test

import (
	"reflect"
	"time"
)

// The types with names that events are made of in the test that start and lint agree. It reads this file a second time,
// as source.

type (
	level    string
	count    int32
	octet    uint8
	moment   time.Time
	period   time.Duration
	chain    struct{ Next *chain }
	list     []list
	tree     map[string]tree
	pointer  *int
	worded   string
	numbered struct{ N int }
	lettered struct{ L string }
	clashing struct { // of two methods of one name, neither is its own
		numbered
		lettered
	}
	tiny   uint8
	nearly string
	spoken interface{ MarshalText() ([]byte, error) }
	plain  struct {
		Code uint16 `json:"code"`
		Text string `json:"text"`
	}
	embedding struct {
		plain
		More bool `json:"more"`
	}
	shadowing struct {
		plain
		Code uint16 `json:"code"`
	}
	stamped struct{ time.Time }
	named   struct {
		time.Time `json:"at"`
	}
	embedsPointer struct{ *plain }
	embedsText    struct{ level } //nolint:unused // likewise
	embedsOwn     struct{ numbered }
	hidden        struct {
		code int //nolint:unused // what is not exported is what is tried
		Seen int `json:"seen"`
	}
	quoted struct {
		A int `json:"'a'"`
		B int `json:"b,"` //nolint:staticcheck // likewise
		C int `json:"c,string"`
		D int `json:"-"`
		E int `json:",omitempty"`
	}
)

func (worded) MarshalText() ([]byte, error)               { return nil, nil }
func (*numbered) UnmarshalJSON(_ []byte) error            { return nil }
func (*lettered) UnmarshalJSON(_ []byte) error            { return nil }
func (tiny) AppendText(b []byte) (text []byte, err error) { return b, nil }
func (nearly) MarshalText() string                        { return "" }

// namedTypes are the types above, by name.
func namedTypes() map[string]reflect.Type {
	found := map[string]reflect.Type{}
	for _, t := range []reflect.Type{
		reflect.TypeFor[level](), reflect.TypeFor[count](), reflect.TypeFor[octet](), reflect.TypeFor[moment](), reflect.TypeFor[period](),
		reflect.TypeFor[chain](), reflect.TypeFor[list](), reflect.TypeFor[tree](), reflect.TypeFor[pointer](), reflect.TypeFor[worded](),
		reflect.TypeFor[numbered](), reflect.TypeFor[lettered](), reflect.TypeFor[clashing](), reflect.TypeFor[tiny](), reflect.TypeFor[nearly](), reflect.TypeFor[spoken](), reflect.TypeFor[plain](),
		reflect.TypeFor[embedding](), reflect.TypeFor[shadowing](), reflect.TypeFor[stamped](), reflect.TypeFor[named](),
		reflect.TypeFor[embedsPointer](), reflect.TypeFor[embedsText](), reflect.TypeFor[embedsOwn](), reflect.TypeFor[hidden](),
		reflect.TypeFor[quoted](),
	} {
		found[t.Name()] = t
	}
	return found
}
