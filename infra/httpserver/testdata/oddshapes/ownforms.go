package oddshapes

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"plugboard/app"
)

// Decimal is an amount in hundredths, written as "1.50".
type Decimal int64

// MarshalJSON implements json.Marshaler.
func (d Decimal) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `"%d.%02d"`, d/100, d%100), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Decimal) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	whole, cents, _ := strings.Cut(s, ".")
	n, err := strconv.ParseUint(whole+cents, 10, 32)
	if err != nil || len(cents) != 2 {
		return errors.New("not a decimal")
	}
	*d = Decimal(n)
	return nil
}

// Color has a text form.
type Color struct{ red, green, blue uint8 }

// MarshalText implements encoding.TextMarshaler.
func (c Color) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "#%02x%02x%02x", c.red, c.green, c.blue), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Color) UnmarshalText(text []byte) error {
	if len(text) != len("#rrggbb") {
		return errors.New("not a color")
	}
	_, err := fmt.Sscanf(string(text), "#%02x%02x%02x", &c.red, &c.green, &c.blue)
	return err
}

// Money encodes itself through its pointer.
type Money struct{ cents int64 }

// MarshalJSON implements json.Marshaler.
func (m *Money) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, m.cents, 10), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (m *Money) UnmarshalJSON(text []byte) (err error) {
	m.cents, err = strconv.ParseInt(string(text), 10, 64)
	return err
}

// Code has a text form through its pointer.
type Code struct{ text string }

// MarshalText implements encoding.TextMarshaler.
func (c *Code) MarshalText() ([]byte, error) { return []byte(c.text), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Code) UnmarshalText(text []byte) error { c.text = strings.ToUpper(string(text)); return nil }

// State is an enumeration with a text form.
type State int

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) {
	return []byte(map[State]string{0: "open", 1: "closed"}[s]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *State) UnmarshalText(text []byte) error {
	switch string(text) {
	case "open":
		*s = 0
	case "closed":
		*s = 1
	default:
		return errors.New("not a state")
	}
	return nil
}

// forms has a type with a form of its own wherever a type can stand.
type forms[T any] struct {
	One   T            `json:"one"`
	Ptr   *T           `json:"ptr"`
	List  []T          `json:"list"`
	Ptrs  []*T         `json:"ptrs"`
	Map   map[string]T `json:"map"`
	Empty *T           `json:"empty,omitempty"`
}

// formsOf is an exchange in which a value stands wherever it can, as what.
func formsOf(value, as string) Exchange {
	fill := func(v string) string {
		return strings.ReplaceAll(`{"one":V,"ptr":V,"list":[V],"ptrs":[V,null],"map":{"k":V}}`, "V", v)
	}
	return given(fill(value), fill(as))
}

// ownForms are types with a JSON or text form of their own.
func ownForms() []Shape {
	const id = `"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`
	wrong := func(value, message string) Exchange { return refused(`{"one":`+value+`}`, "one", "type", message) }
	return []Shape{
		echo[forms[Decimal]]("decimals", list(formsOf(`"1.50"`, `"1.50"`), wrong(`1.5`, "has the wrong form"))),
		echo[forms[Color]]("colors", list(formsOf(`"#0a0B0c"`, `"#0a0b0c"`), wrong(`7`, "has the wrong form"))),
		echo[forms[Money]]("pointer_json", list(formsOf(`150`, `150`), wrong(`"x"`, "has the wrong form"))),
		echo[forms[Code]]("pointer_text", list(formsOf(`"ab"`, `"AB"`))),
		echo[forms[State]]("states", list(formsOf(`"closed"`, `"closed"`), wrong(`1`, "has the wrong form"))),
		echo[forms[app.Date]]("dates", list(formsOf(`"2024-02-29"`, `"2024-02-29"`), wrong(`"2023-02-29"`, "must be a date such as 2006-01-02"))),
		echo[forms[time.Time]]("times", list(formsOf(`"2026-01-31T10:00:00.5+02:00"`, `"2026-01-31T10:00:00.5+02:00"`), wrong(`"2026-01-31"`, "must be a time such as 2006-01-02T15:04:05Z"))),
		echo[forms[uuid.UUID]]("uuids", list(formsOf(id, id), wrong(`"x"`, "has the wrong form"))),
		echo[forms[netip.Addr]]("addresses", list(formsOf(`"::1"`, `"::1"`), wrong(`"1.2.3"`, "has the wrong form"))),
		echo[forms[big.Int]]("big_integers", list(formsOf(`123456789012345678901234567890`, `123456789012345678901234567890`))),
		take[struct {
			Link optionalURL `json:"link"`
		}]("only_decodes", "POST", "/odd/only_decodes", at("/odd/only_decodes", list(given(`{"link":"http://a/b"}`, `{"got":"{Link:http://a/b}"}`)))),
	}
}

// optionalURL only decodes itself.
type optionalURL struct{ *url.URL }

// UnmarshalJSON implements json.Unmarshaler.
func (u *optionalURL) UnmarshalJSON(text []byte) (err error) {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	u.URL, err = url.Parse(s)
	return err
}
