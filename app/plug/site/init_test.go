package site_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/internal/plugtest"
	"plugboard/app/plug/site"
)

// The service in docs/site is what init makes today; its documents are checked by its own make check.
func TestTheSiteInDocsIsCurrent(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("../../../docs/site")
	require.NoError(t, err)
	s, err := site.New("example.org/site", dir)
	require.NoError(t, err)
	require.Equal(t, "../..", s.Replace)
	mod, err := os.ReadFile("../../../go.mod")
	require.NoError(t, err)
	require.Contains(t, string(mod), "\ngo "+s.Go()+"\n")
	files, err := s.Files()
	require.NoError(t, err)
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		require.NoError(t, err)
		switch {
		case name == "go.mod": // go mod tidy adds to it
			for line := range strings.Lines(string(want)) {
				require.Contains(t, string(got), strings.TrimPrefix(strings.TrimSpace(line), "require "), name)
			}
		case strings.HasSuffix(name, "greet.go"): // plug docs adds annotations to it
			before, after, _ := strings.Cut(string(want), "func (p *GreetPlugin) Execute(")
			require.True(t, strings.HasPrefix(string(got), before), name)
			require.True(t, strings.HasSuffix(string(got), after), name)
		default:
			require.Equal(t, string(want), string(got), "%s; make it anew: go tool plug init example.org/site --dir docs/site", name)
		}
	}
}

func TestSitesThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, want := range map[string]string{
		"": "malformed module path", "example.org/Shop Two": "invalid char", "shop": "missing dot in first path element", "net/http": "missing dot", site.Host(): "the host's own path", site.Host() + "/shop": "the host's own path",
	} {
		_, err := site.New(path, dir)
		require.ErrorContains(t, err, want, path)
	}
	s, err := site.New("example.org/order-desk/v2", dir)
	require.NoError(t, err)
	require.Equal(t, "order-desk", s.Name())
	require.Equal(t, "Order desk", s.Title())
	names, err := s.Write(dir)
	require.NoError(t, err)
	require.LessOrEqual(t, len(names), mostFiles)
	_, err = s.Write(dir)
	require.ErrorContains(t, err, "main.go is there already")
	taken := plugtest.New(t)
	taken.Write("docs/openapi.json", "mine")
	_, err = s.Write(taken.Dir)
	require.ErrorContains(t, err, "docs/openapi.json is there already")
	require.NoFileExists(t, filepath.Join(taken.Dir, "main.go"))
}
