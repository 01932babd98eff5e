package upgrade

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// When one file cannot be replaced, those before it get back what they had.
func TestAllFilesAreWrittenOrNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second, third := filepath.Join(dir, "a.go"), filepath.Join(dir, "b.go"), filepath.Join(dir, "c.go")
	require.NoError(t, os.WriteFile(first, []byte("old"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(second, "full"), 0o700)) // which no file can replace
	require.NoError(t, os.WriteFile(third, []byte("old"), 0o600))

	err := write([]change{{first, []byte("old"), []byte("new")}, {second, nil, []byte("new")}, {third, []byte("old"), []byte("new")}})
	require.ErrorContains(t, err, "nothing was changed: ")
	for _, file := range []string{first, third} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, "old", string(text))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3)

	require.ErrorContains(t, write([]change{{first, []byte("old"), []byte("new")}, {filepath.Join(dir, "none.go"), nil, nil}}), "none.go")
	require.NoError(t, write([]change{{first, []byte("old"), []byte("new")}}))
	text, err := os.ReadFile(first)
	require.NoError(t, err)
	require.Equal(t, "new", string(text))
}

func TestAFileThatWasChangedMeanwhile(t *testing.T) {
	t.Parallel()
	text, err := replace([]byte("a.Old + b.Old"), map[int]edit{2: {"Old", "Newer"}, 10: {"Old", "N"}})
	require.NoError(t, err)
	require.Equal(t, "a.Newer + b.N", string(text))
	for _, offset := range []int{1, 11, 99} {
		_, err := replace([]byte("a.Old + b.Old"), map[int]edit{offset: {"Old", "New"}})
		require.ErrorContains(t, err, "changed meanwhile")
	}
}
