package httpserver_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

type (
	endlessList []endlessList
	endlessMap  map[string]*endlessMap
	endlessOf   []app.Optional[endlessOf]
	listOfLists struct {
		All endlessList `json:"all"`
	}
	mapOfMaps struct {
		All endlessMap `json:"all"`
		Min int        `json:"min" binding:"required,min=1"`
	}
	optionalLists struct {
		All endlessOf `json:"all" binding:"required,min=1"`
	}
	treeNode struct {
		Children []treeNode           `json:"children"`
		Named    map[string]*treeNode `json:"named"`
	}
	brittle       struct{ text *string }
	holdsABrittle struct {
		Inner brittle `json:"inner"`
	}
)

// MarshalJSON implements json.Marshaler. It panics on the zero value.
func (b brittle) MarshalJSON() ([]byte, error) { return []byte(`"` + *b.text + `"`), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (b *brittle) UnmarshalJSON([]byte) error { return errors.New("never") }

// A list of itself in an answer made the start hang, and in a request it made the first look at /openapi.json end the process: no
// schema of it has an end. What goes through a struct is fine.
func TestTypesWithoutEndAreRefused(t *testing.T) {
	t.Parallel()
	for name, plug := range map[string]func(*app.Boot){
		"list in request":     func(b *app.Boot) { b.POST("/a", handle[listOfLists, nothing]()) },
		"map in request":      func(b *app.Boot) { b.POST("/a", handle[mapOfMaps, nothing]()) },
		"optional in request": func(b *app.Boot) { b.PATCH("/a", handle[optionalLists, nothing]()) },
		"list in answer":      func(b *app.Boot) { b.GET("/a", handle[nothing, listOfLists]()) },
		"answer":              func(b *app.Boot) { b.GET("/a", handle[nothing, endlessMap]()) },
	} {
		problems := httpserver.New(httpserver.Params{HTTP: benchSettings()}).Check(endpointsOf(t, "shop.feature", plug))
		require.Len(t, problems, 1, name)
		require.ErrorContains(t, problems[0], "which holds itself and no struct on the way", name)
	}
	fine := httpserver.New(httpserver.Params{HTTP: benchSettings()}).Check(endpointsOf(t, "shop.feature", func(b *app.Boot) { b.POST("/a", handle[treeNode, treeNode]()) }))
	require.Empty(t, fine)
}

// A type whose encoding cannot write the zero value ended the start in a panic. Other values of it may be fine.
func TestAnEncodingThatPanicsOnNothingIsNoProblem(t *testing.T) {
	t.Parallel()
	require.NotPanics(t, func() {
		problems := httpserver.New(httpserver.Params{HTTP: benchSettings()}).Check(endpointsOf(t, "shop.feature", func(b *app.Boot) {
			b.GET("/a", handle[nothing, holdsABrittle]())
		}))
		require.Empty(t, problems)
	})
}

// family is one of many types that hold each other.
type (
	family struct {
		A *family  `json:"a"`
		B *familyB `json:"b"`
		C *familyC `json:"c"`
		D *familyD `json:"d"`
		E *familyE `json:"e"`
		F *familyF `json:"f"`
		G *familyG `json:"g"`
		H *familyH `json:"h"`
		I *familyI `json:"i"`
		J *familyJ `json:"j"`
		K *familyK `json:"k"`
		L *familyL `json:"l"`
	}
	familyB family
	familyC family
	familyD family
	familyE family
	familyF family
	familyG family
	familyH family
	familyI family
	familyJ family
	familyK family
	familyL family
)

// Each way through types that hold each other was looked at, of which there are millions: the start took minutes.
func TestManyTypesThatHoldEachOther(t *testing.T) {
	t.Parallel()
	problems := httpserver.New(httpserver.Params{HTTP: benchSettings()}).Check(endpointsOf(t, "shop.feature", func(b *app.Boot) {
		b.POST("/a", handle[family, family]())
	}))
	require.Empty(t, problems)
}
