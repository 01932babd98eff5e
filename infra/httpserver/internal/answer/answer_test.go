package answer_test

import (
	stdjson "encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver/internal/answer"
	"plugboard/infra/httpserver/testdata/models"
)

type selfEncoded struct{ secret chan int }

// MarshalText implements encoding.TextMarshaler.
func (selfEncoded) MarshalText() ([]byte, error) { return []byte("x"), nil }

type good struct {
	ID    int64              `json:"id,string"`
	Own   selfEncoded        `json:"own"`
	Rates map[string]float64 `json:"rates"`
	Next  *good              `json:"next"`
	Skip  chan int           `json:"-"`
}

func TestTypesThatMayLeave(t *testing.T) {
	t.Parallel()
	require.Nil(t, selfEncoded{}.secret)
	for _, typ := range []reflect.Type{reflect.TypeFor[good](), reflect.TypeFor[[]*good](), reflect.TypeFor[app.Binary](), reflect.TypeFor[int]()} {
		problems, numbers := answer.Check(typ, false)
		require.Empty(t, problems, typ)
		require.False(t, numbers, typ)
	}
}

func TestTypesThatMustNotLeave(t *testing.T) {
	t.Parallel()
	for want, typ := range map[string]reflect.Type{
		"the response must be app.Binary itself": reflect.TypeFor[[]app.Binary](),
		"the host adds the envelope":             reflect.TypeFor[app.Response[int]](),
		"the response holds the database entity": reflect.TypeFor[[]models.Product](),
		"is secret and must not be in a response": reflect.TypeFor[struct {
			A string `json:"a" secret:"true"`
		}](),
		"has no name": reflect.TypeFor[struct{ A string }](),
		"holds app.Optional, which is for requests": reflect.TypeFor[struct {
			A app.Optional[int] `json:"a"`
		}](),
		"holds a time.Duration, which has no JSON form": reflect.TypeFor[struct {
			A time.Duration `json:"a"`
		}](),
		"holds a chan, which has no JSON form": reflect.TypeFor[struct {
			A chan int `json:"a"`
		}](),
		"holds interface {}, which can be anything": reflect.TypeFor[struct {
			A any `json:"a"`
		}](),
		"the json option string, which is for numbers": reflect.TypeFor[struct {
			A bool `json:"a,string"`
		}](),
		"whose keys have no JSON form": reflect.TypeFor[map[bool]int](),
		"has a gorm tag, so": reflect.TypeFor[struct {
			A int `json:"a" gorm:"primaryKey"`
		}](),
		"cannot be sent: ": reflect.TypeFor[struct {
			A int `json:"a"`
			B int `json:"'a'"`
		}](),
	} {
		problems, _ := answer.Check(typ, false)
		require.Len(t, problems, 1, "%s: %s", typ, problems)
		require.Contains(t, problems[0], want)
	}
	problems, numbers := answer.Check(reflect.TypeFor[map[string]any](), true)
	require.Empty(t, problems, "app.Open says so")
	require.True(t, numbers, "a json.Number may be in it")
}

func TestNumbersAreWrittenAsNumbers(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(map[string]any{"b": stdjson.Number("1.50"), "a": stdjson.Number("")}, answer.Encoding(true))
	require.NoError(t, err)
	require.Equal(t, `{"a":0,"b":1.50}`, string(text))
	_, err = json.Marshal(stdjson.Number("1,5"), answer.Encoding(true))
	require.ErrorContains(t, err, "not a JSON number")
}
