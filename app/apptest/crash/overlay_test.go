package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The places of the patches are found by their text, also with -short: who moves one learns of it at once.
func TestPatchesFindTheirPlaces(t *testing.T) {
	t.Parallel()
	b, err := newBuilder(t.Context(), t.TempDir())
	require.NoError(t, err)
	_, err = b.overlay(patches())
	require.NoError(t, err)
}

func TestAPatchWithoutAPlaceIsAnError(t *testing.T) {
	t.Parallel()
	b, err := newBuilder(t.Context(), t.TempDir())
	require.NoError(t, err)
	_, err = b.overlay([]patch{
		{"infra/eventbus", "this text is nowhere", ""},
		{"infra/eventbus", "err != nil", "true"},
	})
	require.ErrorContains(t, err, "infra/eventbus has this 0 times, and a crash point needs it once; mend the patches: this text is nowhere")
	require.ErrorContains(t, err, "mend the patches: err != nil")
}
