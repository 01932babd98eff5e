package bind_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Violations that are not listed are not put into words. The validator itself makes some seven allocations for each.
//
//nolint:paralleltest // it counts allocations, which are the process's
func TestViolationsBeyondTheLastListedCostNoWords(t *testing.T) {
	type part struct {
		A string `json:"a" binding:"required"`
		B string `json:"b" binding:"required"`
	}
	type request struct {
		Items []part `json:"items" binding:"required,dive"`
	}
	k, _ := capture[request](t, "POST", "/x")
	const elements = 10_000
	body := `{"items":[` + strings.Repeat(`{},`, elements-1) + `{}]}`
	allocations := testing.AllocsPerRun(1, func() {
		require.Equal(t, 422, k.do("POST", "/x", body, asJSON).Code)
	})
	require.Less(t, allocations/(2*elements), 8.5)
}
