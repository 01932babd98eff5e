package panics_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/internal/panics"
)

func TestCatch(t *testing.T) {
	t.Parallel()
	require.Nil(t, panics.Catch(func() {}))
	caught := panics.Catch(func() { panic("boom") })
	require.EqualError(t, caught, "panic: boom")
	require.Equal(t, "boom", caught.Value)
	require.Contains(t, string(caught.Stack), "TestCatch")
}
