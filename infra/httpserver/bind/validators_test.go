package bind_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver/bind"
)

// Requests of a few endpoints share a validator, since one for all copied all it knew for each further type. What a validator
// has to learn before it applies rules, such as what an app.Optional holds, each of them learns.
func TestRulesHoldInEachOfManyRequests(t *testing.T) {
	t.Parallel()
	type part struct {
		Size app.Optional[int] `json:"size" binding:"min=2"`
		Kind *string           `json:"kind" binding:"required_with=Size,oneof=a b"`
	}
	var c bind.Compiler
	for i := range 200 {
		take, problems := bodyOf(&c, reflect.StructOf([]reflect.StructField{
			{Name: "Name", Type: reflect.TypeFor[string](), Tag: reflect.StructTag(fmt.Sprintf(`json:"name%d" binding:"required,max=3"`, i))},
			{Name: "Parts", Type: reflect.TypeFor[[]part](), Tag: `json:"parts" binding:"dive"`},
		}))
		require.Empty(t, problems)
		require.NoError(t, take(fmt.Appendf(nil, `{"name%d":"abc","parts":[{"size":2,"kind":"a"}]}`, i)))
		for _, wrong := range []string{`{"name%d":"abcd","parts":[]}`, `{"name%d":"abc","parts":[{"size":1,"kind":"a"}]}`, `{"name%d":"abc","parts":[{"size":2,"kind":"c"}]}`} {
			require.Error(t, take(fmt.Appendf(nil, wrong, i)), wrong)
		}
	}
}
