package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The generators are for developers; what they need is not in the service.
func TestServiceLinksNoDeveloperTools(t *testing.T) {
	t.Parallel()
	output, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	linked := strings.Fields(string(output))
	require.Contains(t, linked, "plugboard/infra/host")
	tools := []string{
		"plugboard/app/plug", "plugboard/app/apptest", "github.com/getkin/", "github.com/santhosh-tekuri/", "github.com/swaggo/swag",
		"golang.org/x/tools", "github.com/stretchr/", "pgregory.net/", "testing",
	}
	for _, tool := range tools {
		require.Empty(t, slices.DeleteFunc(slices.Clone(linked), func(pkg string) bool { return !strings.HasPrefix(pkg, tool) }))
	}
}
