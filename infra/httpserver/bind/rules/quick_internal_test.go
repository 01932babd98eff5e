package rules

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// part is a struct within a request.
type part struct {
	Name string `json:"name" binding:"required,min=2,max=4"`
	N    int    `json:"n" binding:"omitempty,gt=1"`
	Skip string `json:"-" binding:"-"`
}

// knotted holds itself.
type knotted struct {
	Name string    `json:"name" binding:"min=2"`
	In   []knotted `json:"in" binding:"omitempty,dive"`
}

// samples are values of fields, of each type some.
var samples = []any{
	"", "a", "äö", "abc", "abcd\xff", "abcde", 0, 1, 2, 3, -4, int8(0), int8(3), uint16(0), uint16(1), uint16(7), float32(0), float32(1.5), float32(2.1),
	0.0, 0.1, 1.5, 3.0, -2.0, false, true, time.Duration(0), time.Second, []string(nil), []string{}, []string{"", "ab"}, []string{"abc", "abc"},
	[]int(nil), []int{0}, []int{2, 3}, []byte("xy"), map[string]int(nil), map[string]int{}, map[string]int{"a": 1},
	[]part(nil), []part{}, []part{{Name: "ab"}}, []part{{Name: "abc", N: 2}, {Name: "a"}}, []part{{Name: "abc", N: 1}}, part{}, part{Name: "abc", N: 5},
	time.Time{}, time.Unix(1, 0), app.Optional[int]{}, app.Optional[int]{Set: true, Value: 2}, [2]int{}, knotted{}, knotted{Name: "ab", In: []knotted{{Name: "a"}}},
	(*int)(nil), new(int), any(nil), any("abc"),
}

// Quick rules are checked without the validator. The two agree on every value, for all rules that are quick.
func TestQuickRulesAreThoseOfTheValidator(t *testing.T) {
	t.Parallel()
	var c Compiler
	quick, refused := 0, 0
	for _, rules := range manyRules() {
		for _, sample := range samples {
			if sample == nil {
				continue
			}
			set, problems := c.Compile(reflect.StructOf([]reflect.StructField{
				{Name: "Field", Type: reflect.TypeOf(sample), Tag: reflect.StructTag(`json:"field" binding:"` + rules + `"`)},
				{Name: "Mail", Type: reflect.TypeFor[string](), Tag: `json:"mail" binding:"required,email"`},
			}))
			if len(problems) > 0 {
				continue
			}
			for _, mail := range []string{"a@example.org", "nobody"} {
				request := reflect.New(set.typ)
				request.Elem().Field(0).Set(reflect.ValueOf(sample))
				request.Elem().Field(1).SetString(mail)
				want := validate(set.validators.all, request.Interface(), nil)
				require.False(t, isPanic(want))
				got := set.check(request.Interface())
				require.Equal(t, fmt.Sprint(want), fmt.Sprint(got), "%T %v with %q", sample, sample, rules)
				if len(set.quick.fields) == 1 && mail != "nobody" {
					quick++
					if want != nil {
						refused++
						require.False(t, set.quick.fields[0].holds(request.Elem().Field(0)))
					} else {
						require.True(t, set.quick.fields[0].holds(request.Elem().Field(0)), "%T %v with %q", sample, sample, rules)
					}
				}
			}
		}
	}
	require.Greater(t, quick, 1000)
	require.Greater(t, refused, 300)
}

// manyRules are rules that are compared here, some that are not, and both together.
func manyRules() []string {
	var all []string
	single := []string{"", "required", "omitempty", "notblank", "oneof=a abc", "ne=3", "required_with=Mail", "excluded_with=Mail", "min=1|max=3"}
	for name := range strings.FieldsSeq("min max gt gte lt lte len") {
		for param := range strings.FieldsSeq("0 1 2 0x2 1.5 3 -1") {
			single = append(single, name+"="+param)
		}
	}
	all = append(all, single...)
	for _, rule := range single {
		if rule != "" {
			all = append(all, "required,"+rule, "omitempty,"+rule, rule+",max=3", "dive,"+rule, "omitempty,min=1,dive,"+rule, rule+",omitempty")
		}
	}
	return append(all, "dive", "min=1,dive", "dive,dive,min=1", "min")
}
