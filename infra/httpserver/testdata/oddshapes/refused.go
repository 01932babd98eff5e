package oddshapes

import (
	"context"
	"time"

	"plugboard/app"
)

// Refusal is a type that the host refuses at start.
type Refusal struct {
	// Name says what is odd about it.
	Name string
	// Boot registers it.
	Boot func(*app.Boot)
	// Why is a part of the start error.
	Why string
}

// asks is a registration of a request type.
func asks[T any](name, why string) Refusal {
	return Refusal{name, func(b *app.Boot) { b.POST("/odd/refused", app.Handle(show[T])) }, why}
}

// tells is a registration of an answer type.
func tells[T any](name, why string) Refusal {
	return Refusal{name, func(b *app.Boot) {
		b.GET("/odd/refused", app.Handle(func(context.Context, none) (t T, err error) { return t, nil }))
	}, why}
}

type twoNames struct {
	base
	*Base2
}

// Base2 has a member of the same name as base.
type Base2 struct {
	ID int `json:"id"`
}

// Refused returns the types that the host refuses at start, with the reason.
func Refused() []Refusal {
	return []Refusal{
		asks[struct {
			A [3]int `json:"a"`
		}]("array", "cannot be a [3]int"),
		asks[struct {
			A int64 `json:"a,string"`
		}]("string option", `the json option "string" is not supported in requests`),
		asks[pointerEmbedded]("embedded pointer", "request field base is not exported and can never be filled"),
		asks[shadow]("shadowed member", `another field is already filled from "id"`),
		asks[struct {
			A map[int]string `json:"a"`
		}]("integer keys", "must be plain strings"),
		asks[struct {
			A map[app.Date]string `json:"a"`
		}]("keys with a form", "must be plain strings"),
		asks[struct {
			A time.Duration `json:"a"`
		}]("duration", "time.Duration has no JSON form"),
		asks[struct {
			A complex64 `json:"a"`
		}]("complex", "contains a complex64"),
		asks[struct {
			A chan int `json:"a"`
		}]("channel", "contains a chan"),
		asks[struct {
			A context.Context `json:"a"`
		}]("context", "contains a context.Context"),
		asks[struct{ A string }]("no source", "has no source"),
		asks[[]point]("list", "the request must be a struct"),
		asks[map[string]int]("map", "the request must be a struct"),
		asks[Decimal]("own form", "the request must be a struct"),
		asks[struct {
			A map[string]int `form:"a"`
		}]("map in a query", "a form value cannot be a map[string]int"),
		asks[struct {
			A []limited `json:"a"`
		}]("rules without dive", `add "dive" to its binding`),
		asks[struct {
			A int `json:"a" binding:"oneof=1 2"`
		}]("a rule that zero breaks", `add "required" if it must be given, or "omitempty" if it may be left out`),
		asks[struct {
			A limited `json:"a"`
		}]("a struct with a required field", `A may be left out, but its field X is "required"`),
		asks[struct {
			A int `json:"a" default:"3" binding:"oneof=1 2"`
		}]("a default that breaks a rule", `its default "3" breaks its rule "oneof=1 2"`),
		tells[struct {
			A app.Optional[int] `json:"a"`
		}]("optional answer", "holds app.Optional"),
		tells[any]("open answer", "say app.Open()"),
		tells[map[string]any]("open map", "say app.Open()"),
		tells[map[float64]int]("float keys", "whose keys have no JSON form"),
		tells[struct{ A int }]("nameless member", "has no name"),
		tells[app.Response[point]]("envelope", "the host adds the envelope"),
		tells[[]app.Binary]("binary in a list", "the response must be app.Binary itself"),
		tells[struct {
			A func() `json:"a"`
		}]("function", "holds a func"),
		tells[time.Duration]("duration answer", "holds a time.Duration"),
	}
}
