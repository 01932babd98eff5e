package application

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// A module whose path begins with that of the service is another one all the same: its sources keep their paths.
func TestModulesBelowTheServicesPath(t *testing.T) {
	t.Parallel()
	deps := []*debug.Module{{Path: "example.org/shop/catalog"}, {Path: "example.org/shopping"}, {Path: "example.org/host"}}
	require.Equal(t, []string{"example.org/shop/catalog"}, modulesBelow("example.org/shop", deps))
}

func TestSourcesAreNamedFromTheRoot(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plugin a.b (" + modulePath() + "/domains/a/plugins/b.go:12)": "plugin a.b (domains/a/plugins/b.go:12)",
		hostRoot() + "/infra/host/application/hooks.go:7: late":       "infra/host/application/hooks.go:7: late",
		"example.net/other/domains/c/c.go:1":                          "example.net/other/domains/c/c.go:1",
		"no file":                                                     "no file",
	} {
		require.Equal(t, want, FromRoot(text))
	}
}
