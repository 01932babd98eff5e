package httpserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"plugboard/app"
	"plugboard/infra/httpserver"
	"plugboard/infra/httpserver/testdata/hostile"
	"plugboard/infra/httpserver/testdata/oddshapes"
)

// The quick way of reading a body and the careful one agree on whatever an odd shape is sent, also with members left out, doubled and
// empty.
func TestBothWaysAgreeOnOddShapes(t *testing.T) {
	t.Parallel()
	k := serve(t, oddshapes.Boot)
	for _, route := range k.Routes() {
		if !slices.Contains(route.Accepts, "application/json") {
			continue
		}
		if _, signed := route.Request.FieldByName("Sent"); signed {
			continue // the answer tells how long the body was
		}
		bothWaysAgree(t, k, route.Method, pathOf(route.Path), route.Request, route.Options.Strict)
	}
}

// addresses are where a shape answers with what a pointer is to Go.
var addresses = regexp.MustCompile(`0x[0-9a-f]+`)

func pathOf(route string) string { return strings.ReplaceAll(route, ":id", "7") }

func bothWaysAgree(t *testing.T, k kit, method, path string, typ reflect.Type, strict bool) {
	t.Helper()
	if strict {
		return // the member that has no meaning would be refused
	}
	rapid.Check(t, func(t *rapid.T) {
		body := hostile.JSON(t, typ, 0)
		if !strings.HasPrefix(body, `{"`) {
			return
		}
		first := k.do(method, path, body, asJSON)
		careful := k.do(method, path, `{"~":null,`+body[1:], asJSON)
		require.Equal(t, first.Code, careful.Code, "%s: %s against %s", body, first.Body, careful.Body)
		switch first.Code {
		case http.StatusOK:
			require.Equal(t, addresses.ReplaceAllString(first.Body.String(), "0x"), addresses.ReplaceAllString(careful.Body.String(), "0x"), "%s", body)
		case http.StatusUnprocessableEntity: // what is wrong within a map is told in any order
			var one, other struct{ Details []app.Violation }
			require.NoError(t, json.Unmarshal(first.Body.Bytes(), &one))
			require.NoError(t, json.Unmarshal(careful.Body.Bytes(), &other))
			require.ElementsMatch(t, one.Details, other.Details, "%s", body)
		}
	})
}

type presentPoint struct {
	X int `json:"x" binding:"required,gte=-5"`
}

// presentOwn is a text with a form of its own, of which the empty one may be a value.
type presentOwn string

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *presentOwn) UnmarshalText(text []byte) error {
	*w = presentOwn(text)
	return nil
}

// badPresence is a request type that does not start, and why.
func badPresence[T any](why string) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		problems := httpserver.New(httpserver.Params{HTTP: benchSettings()}).Check(endpointsOf(t, "shop.bad", func(b *app.Boot) {
			b.POST("/x/:id", app.Handle(accept[struct {
				ID int `uri:"id" json:"-" binding:"min=1"`
				T  T   `json:"t" binding:"omitempty"`
			}]))
		}))
		if assert.Len(t, problems, 1) {
			assert.ErrorContains(t, problems[0], "plugin shop.bad (")
			assert.ErrorContains(t, problems[0], "presence_test.go:")
			assert.ErrorContains(t, problems[0], "request field "+why)
		}
	}
}

const whatToWrite = ` refuses the value it has when it is not given: add "required" if it must be given, or "omitempty" if it may be left out, or a default, or make it a pointer`

// A field that may be left out, with a rule that its zero value breaks, could not be left out. The start error says what to
// write instead, and so it does for rules that contradict each other or do nothing.
func TestRulesThatZeroBreaksAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	for i, refused := range []func(*testing.T){
		badPresence[struct {
			A int `json:"a" binding:"oneof=1 2"`
		}](`A: its rule "oneof=1 2"` + whatToWrite),
		badPresence[struct {
			A int `json:"a" binding:"min=1"`
		}](`A: its rule "min=1"` + whatToWrite),
		badPresence[struct {
			A float64 `json:"a" binding:"lt=9,gt=0"`
		}](`A: its rule "gt=0"` + whatToWrite),
		badPresence[struct {
			A string `json:"a" binding:"email"`
		}](`A: its rule "email"` + whatToWrite),
		badPresence[struct {
			A string `json:"a" binding:"datetime=2006-01-02"`
		}](`A: its rule "datetime=2006-01-02"` + whatToWrite),
		badPresence[struct {
			A string `json:"a" binding:"notblank"`
		}](`A: its rule "notblank"` + whatToWrite),
		badPresence[struct {
			A bool `json:"a" binding:"eq=true"`
		}](`A: its rule "eq=true"` + whatToWrite),
		badPresence[struct {
			A []int `json:"a" binding:"min=1,dive,gte=0"`
		}](`A: its rule "min=1"` + whatToWrite),
		badPresence[struct {
			A int `json:"a" binding:"eq=1|eq=2"`
		}](`A: its rule "eq=1|eq=2"` + whatToWrite),
		badPresence[struct {
			A string `json:"a"`
			B string `json:"b" binding:"required_with=A,len=4"`
		}](`B: its rule "len=4"` + whatToWrite),
		badPresence[struct {
			A []struct {
				B int `json:"b" binding:"gt=0"`
			} `json:"a" binding:"dive"`
		}](`B: its rule "gt=0"` + whatToWrite),
		badPresence[struct {
			A presentPoint `json:"a"`
		}](`A may be left out, but its field X is "required": add "required" to A if it must be given, or "omitempty" if it may be left out, or make it a pointer`),
		badPresence[struct {
			A struct{ presentPoint } `json:"a"`
		}](`A may be left out, but its field presentPoint.X is "required"`),
		badPresence[struct {
			A int `json:"a" binding:"required,omitempty"`
		}](`A is both "required" and one that may be left out: keep one`),
		badPresence[struct {
			presentPoint `binding:"required"`
		}](`presentPoint is embedded, and not given or missing by itself: put the rules on its fields`),
		badPresence[struct {
			A int `json:"a" default:"1"`
		}](`T.A: only the request's own fields can have a default`),
		badPresence[struct {
			A []int `json:"a" binding:"dive,required"`
		}](`A: the rule "required" behind "dive" does nothing: an element is always given; say ne=0 or gt=0 if 0 is refused`),
		badPresence[struct {
			A []presentPoint `json:"a" binding:"dive,required"`
		}](`A: the rule "required" behind "dive" does nothing`),
		badPresence[struct {
			A []presentOwn `json:"a" binding:"dive,required"`
		}](`A: the rule "required" behind "dive" does nothing`),
		badPresence[struct {
			A [][]int `json:"a" binding:"dive,required"`
		}](`A: the rule "required" behind "dive" does nothing: an element is always given; say min=1 if an empty one is refused`),
		badPresence[struct {
			A []string `json:"a" binding:"dive,required_if=B x"`
			B string   `json:"b"`
		}](`A: the rule "required_if=B x" behind "dive" depends on another field: an element is always given; put it in front of "dive"`),
		badPresence[struct {
			A []*int `json:"a" binding:"unique=X"`
		}](`A: the rule "unique=X" does not fit: the elements have no field X`),
		badPresence[struct {
			A []presentPoint `json:"a" binding:"dive,min=1"`
		}](`A: the rule "min=1" is unknown or does not fit a httpserver_test.presentPoint`),
	} {
		t.Run(fmt.Sprint(i), refused)
	}
}

// A default is judged at start by the rules of its field.
func TestDefaultsKeepTheRulesOfTheirFields(t *testing.T) {
	t.Parallel()
	for want, boot := range map[string]func(*app.Boot){
		`N: its default "0" breaks its rule "min=1"`: func(b *app.Boot) {
			b.GET("/x", app.Handle(accept[struct {
				N int `form:"n" default:"0" binding:"min=1"`
			}]))
		},
		`W: its default "a,bcd" breaks its rule "max=2"`: func(b *app.Boot) {
			b.GET("/x", app.Handle(accept[struct {
				W []string `form:"w" default:"a,bcd" binding:"max=3,dive,max=2"`
			}]))
		},
		`P: its default "x" breaks its rule "oneof=a b"`: func(b *app.Boot) {
			b.GET("/x", app.Handle(accept[struct {
				P *string `form:"p" default:"x" binding:"omitempty,oneof=a b"`
			}]))
		},
		`N is "required" and has a default, which it would never get: keep one`: func(b *app.Boot) {
			b.POST("/x", app.Handle(accept[struct {
				N int `json:"n" default:"2" binding:"required"`
			}]))
		},
	} {
		problems := httpserver.New(httpserver.Params{HTTP: benchSettings()}).Check(endpointsOf(t, "shop.bad", boot))
		require.Len(t, problems, 1, want)
		require.ErrorContains(t, problems[0], "request field "+want)
	}
	serve(t, func(b *app.Boot) {
		b.GET("/x/:id", app.Handle(accept[struct {
			ID int       `uri:"id" binding:"min=1"` // always given
			N  int       `form:"n" default:"1" binding:"min=1"`
			Q  string    `form:"q" default:"" binding:"omitempty,min=2"`
			W  []string  `form:"w" default:"ab,cd" binding:"min=2,dive,len=2"`
			P  *int      `form:"p" binding:"min=1"`
			A  string    `form:"a" binding:"max=2"`
			B  string    `form:"b" binding:"required_with=A"`
			C  time.Time `form:"c" binding:"ltefield=D"`
			D  time.Time `form:"d"`
		}]))
	})
}

type emptied struct {
	Bool bool           `json:"bool,omitempty"`
	Int  int            `json:"int,omitempty"`
	Text string         `json:"text,omitempty"`
	List []int          `json:"list,omitempty"`
	Map  map[string]int `json:"map,omitempty"`
	Ptr  *int           `json:"ptr,omitempty"`
	Full []int          `json:"full,omitempty"`
}

type zeroed struct {
	Bool bool      `json:"bool,omitzero"`
	Int  int       `json:"int,omitzero"`
	Text string    `json:"text,omitzero"`
	List []int     `json:"list,omitzero"`
	Time time.Time `json:"time,omitzero"`
	Full []int     `json:"full,omitzero"`
}

type whole struct {
	Bool bool           `json:"bool"`
	Text string         `json:"text"`
	List []int          `json:"list"`
	Map  map[string]int `json:"map"`
	Ptr  *int           `json:"ptr"`
}

// What "omitempty" and "omitzero" mean in answers is what the guide says of them.
func TestWhatAnswersLeaveOut(t *testing.T) {
	t.Parallel()
	type answer struct {
		Emptied emptied `json:"emptied"`
		Zeroed  zeroed  `json:"zeroed"`
		Whole   whole   `json:"whole"`
	}
	k := serve(t, func(b *app.Boot) {
		b.GET("/x", app.Handle(func(context.Context, app.Empty) (answer, error) {
			return answer{Emptied: emptied{Full: []int{0}}, Zeroed: zeroed{Full: []int{}}}, nil
		}))
	})
	require.Equal(t, `{"success":true,"data":{"emptied":{"bool":false,"int":0,"full":[0]},"zeroed":{"full":[]},`+
		`"whole":{"bool":false,"text":"","list":[],"map":{},"ptr":null}},"error":null}`, k.do("GET", "/x", "").Body.String())
}
