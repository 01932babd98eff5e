package httpserver_test

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
	k := serve(t, func(b *app.Boot) { b.POST("/c", app.Handle(accept[collecting])) })
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
	k := serve(t, func(b *app.Boot) {
		b.POST("/generic", app.Handle(accept[generic[filtered]]))
		b.POST("/nameless", app.Handle(accept[struct {
			Name string     `json:"name" binding:"required"`
			List []filtered `json:"list" binding:"dive"`
		}]))
		b.GET("/brackets", app.Handle(accept[struct {
			IDs []int64 `form:"ids[]" binding:"max=2,dive,gt=0"`
		}]))
	})
	for _, tc := range []struct{ method, target, body, want string }{
		{"POST", "/generic", `{"filter":{"q":""}}`, "filter.q must not be empty; name is required"},
		{"POST", "/nameless", `{"name":"","list":[{"q":"x"},{}]}`, "list.1.q is required; name must not be empty"},
		{"GET", "/brackets?ids[]=1&ids[]=-2", "", "ids[].1 must be greater than 0"},
		{"GET", "/brackets?ids[]=1&ids[]=2&ids[]=3", "", "ids[] must have at most 2 items"},
	} {
		headers := []string{asJSON}
		if tc.body == "" {
			headers = nil
		}
		w := k.do(tc.method, tc.target, tc.body, headers...)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, w.Body)
		require.Contains(t, w.Body.String(), `"error":"`+tc.want+`"`)
	}
}
