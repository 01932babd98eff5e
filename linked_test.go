package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The HTTP server is for services without a database too: it links no driver.
func TestHTTPServerLinksNoDatabase(t *testing.T) {
	t.Parallel()
	linked := dependencies(t, "./infra/httpserver")
	require.Contains(t, linked, "plugboard/infra/telemetry")
	for _, database := range []string{"plugboard/infra/database", "modernc.org/", "github.com/jackc/", "github.com/pressly/"} {
		require.Empty(t, below(database, linked))
	}
}

// The generators are for developers; what they need is not in the service.
func TestServiceLinksNoDeveloperTools(t *testing.T) {
	t.Parallel()
	linked := dependencies(t, ".")
	require.Contains(t, linked, "plugboard/infra/host/application")
	tools := []string{
		"plugboard/app/plug", "plugboard/app/apptest", "github.com/getkin/", "github.com/santhosh-tekuri/", "github.com/swaggo/swag",
		"golang.org/x/tools", "github.com/stretchr/", "pgregory.net/", "testing",
	}
	for _, tool := range tools {
		require.Empty(t, below(tool, linked))
	}
}

// dependencies returns the packages that a package links.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "go", "list", "-deps", pkg).Output()
	require.NoError(t, err)
	return strings.Fields(string(output))
}

// below returns those of packages whose path begins with prefix.
func below(prefix string, packages []string) []string {
	return slices.DeleteFunc(slices.Clone(packages), func(pkg string) bool { return !strings.HasPrefix(pkg, prefix) })
}
