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
