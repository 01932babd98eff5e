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

// The host's tests are of the host alone: they compile in a service that has none of the example domains. Those that need one are tests
// of the application that main.go is, and stand beside it.
func TestTheHostsTestsNeedNoDomain(t *testing.T) {
	t.Parallel()
	needed := dependencies(t, "-test", "./app/...", "./config/...", "./docs/...", "./infra/...")
	require.Contains(t, needed, "plugboard/app/apptest/rules")
	require.Empty(t, below("plugboard/domains", needed))
	require.NotEmpty(t, below("plugboard/domains", dependencies(t, "-test", ".")))
}

// dependencies returns the packages that others link: their patterns come last in the arguments, after flags of go list.
func dependencies(t *testing.T, arguments ...string) []string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, arguments...)...).Output()
	require.NoError(t, err)
	return strings.Fields(string(output))
}

// below returns those of packages whose path begins with prefix.
func below(prefix string, packages []string) []string {
	return slices.DeleteFunc(slices.Clone(packages), func(pkg string) bool { return !strings.HasPrefix(pkg, prefix) })
}
