package allowed_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/lint/internal/allowed"
)

// The file says by its lines what is wrong with it, and what is right in it counts.
func TestRead(t *testing.T) {
	t.Parallel()
	const list = "libraries is a list: write each import path behind a dash, and the reason behind a #"
	cases := map[string]struct {
		text     string
		want     allowed.Libraries
		problems []allowed.Problem
	}{
		"list":        {"# why\nlibraries:\n  - github.com/stripe/stripe-go # its client is given\n  - example.org/a\n", allowed.Libraries{"github.com/stripe/stripe-go", "example.org/a"}, nil},
		"flow":        {"libraries: [example.org/a]\n", allowed.Libraries{"example.org/a"}, nil},
		"empty":       {"", nil, nil},
		"comments":    {"# nothing yet\n", nil, nil},
		"null":        {"libraries:\n", nil, nil},
		"unknown key": {"libraries: [example.org/a]\nshared: [b]\n", allowed.Libraries{"example.org/a"}, []allowed.Problem{{2, `there is no key "shared"; the only one is libraries`}}},
		"no list":     {"\nlibraries: example.org/a\n", nil, []allowed.Problem{{2, list}}},
		"map":         {"libraries:\n  example.org/a: because\n", nil, []allowed.Problem{{2, list}}},
		"no map":      {"- example.org/a\n", nil, []allowed.Problem{{1, "write the key libraries: with a list below it"}}},
		"no path":     {"libraries:\n  - example.org/a\n  - fmt\n", allowed.Libraries{"example.org/a"}, []allowed.Problem{{3, `"fmt" is no import path of a library; write one such as github.com/stripe/stripe-go, and the reason behind a #`}}},
		"no yaml":     {"libraries: [a\nb: c: d\n", nil, []allowed.Problem{{1, "the file is no YAML: did not find expected ',' or ']'"}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), allowed.File)
			require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
			libraries, problems, err := allowed.Read(file)
			require.NoError(t, err)
			require.Equal(t, c.want, libraries)
			require.Equal(t, c.problems, problems)
		})
	}
}

func TestReadOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	libraries, problems, err := allowed.Read(filepath.Join(t.TempDir(), allowed.File))
	require.NoError(t, err)
	require.Empty(t, libraries)
	require.Empty(t, problems)
	_, _, err = allowed.Read(t.TempDir())
	require.ErrorContains(t, err, "read what domains may import: ")
}

// A path allows itself and what is below it.
func TestHas(t *testing.T) {
	t.Parallel()
	l := allowed.Libraries{"example.org/a"}
	require.True(t, l.Has("example.org/a"))
	require.True(t, l.Has("example.org/a/b"))
	require.False(t, l.Has("example.org/ab"))
	require.False(t, allowed.Libraries(nil).Has("example.org/a"))
}
