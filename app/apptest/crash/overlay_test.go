package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSabotagedBuilds(t *testing.T) {
	t.Parallel()
	b, err := newBuilder(t.Context(), t.TempDir())
	require.NoError(t, err)
	_, err = b.sabotaged(t.Context())
	require.NoError(t, err)
}
