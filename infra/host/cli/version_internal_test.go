package cli

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionNamesServiceAndHost(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{
		GoVersion: "go1.26.0", Main: debug.Module{Path: "example.org/shop", Version: "v1.2.0"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "c0ffee"}, {Key: "vcs.modified", Value: "true"}},
		Deps:     []*debug.Module{{Path: "example.org/other", Version: "v2.0.0"}, {Path: "example.org/host", Version: "v0.3.0"}},
	}
	require.Equal(t, "plugboard v1.2.0 c0ffee (modified) go1.26.0 on example.org/host v0.3.0", versionOf(info, "example.org/host"))
	require.Equal(t, "plugboard v1.2.0 c0ffee (modified) go1.26.0", versionOf(info, "example.org/shop"))
	info.Deps[1].Replace = &debug.Module{Path: "../host"}
	require.Equal(t, "plugboard v1.2.0 c0ffee (modified) go1.26.0 on example.org/host v0.3.0 (replaced by ../host)", versionOf(info, "example.org/host"))
}
