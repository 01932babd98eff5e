//go:build unix

package dev

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that writes into the folder without a pause does not keep every build from its end.
func TestABuildEndsThoughFilesChangeWithoutAPause(t *testing.T) {
	t.Parallel()
	s := &session{build: &pending{}, cut: mostCut}
	under := s.build
	s.begin(t.Context())
	require.Same(t, under, s.build, "the build under way goes on")
	require.True(t, s.again, "and another follows")
}
