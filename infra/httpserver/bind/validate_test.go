package bind_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// collecting has the Validate method one writes first: it returns what it collected, also when that is nothing.
type collecting struct {
	A int `json:"a"`
}

func (r collecting) Validate() error {
	var broken app.Violations
	if r.A > 10 {
		broken = append(broken, app.Violation{Field: "a", Rule: "max", Message: "must be at most 10"})
	}
	return broken
}

func TestNoViolationsIsNoFailure(t *testing.T) {
	t.Parallel()
	k, _ := capture[collecting](t, http.MethodPost, "/c")
	w := k.do(http.MethodPost, "/c", `{"a":1}`, asJSON)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	w = k.do(http.MethodPost, "/c", `{"a":11}`, asJSON)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code, w.Body)
	require.Contains(t, w.Body.String(), "a must be at most 10")
}

type filtered struct {
	Q string `json:"q" binding:"required"`
}

type generic[F any] struct {
	Filter F   `json:"filter" binding:"required"`
	Name   int `json:"name" binding:"required"`
}

// Failures name what the caller sent, whatever the request's type is called.
func TestFailuresNameTheCallersFields(t *testing.T) {
	t.Parallel()
	type nameless = struct {
		Name string     `json:"name" binding:"required"`
		List []filtered `json:"list" binding:"dive"`
	}
	type brackets struct {
		IDs []int64 `form:"ids[]" binding:"max=2,dive,gt=0"`
	}
	generics, _ := capture[generic[filtered]](t, http.MethodPost, "/")
	structs, _ := capture[nameless](t, http.MethodPost, "/")
	lists, _ := capture[brackets](t, http.MethodGet, "/")
	for _, tc := range []struct {
		kit               kit
		query, body, want string
	}{
		{generics, "", `{"filter":{"q":""}}`, "filter.q must not be empty; name is required"},
		{structs, "", `{"name":"","list":[{"q":"x"},{}]}`, "list.1.q is required; name must not be empty"},
		{lists, "?ids[]=1&ids[]=-2", "", "ids[].1 must be greater than 0"},
		{lists, "?ids[]=1&ids[]=2&ids[]=3", "", "ids[] must have at most 2 items"},
	} {
		w := tc.kit.do(http.MethodGet, "/"+tc.query, tc.body, asJSON)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, w.Body)
		require.Contains(t, w.Body.String(), `"error":"`+tc.want+`"`)
	}
}
