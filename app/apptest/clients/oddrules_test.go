package clients_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lint holds a document, and what becomes of it in version 3.0, against the recommended rules of redocly and spectral.
func lint(t *testing.T, document string) error {
	t.Helper()
	script, err := filepath.Abs(filepath.Join(root, ".ci/api/lint"))
	require.NoError(t, err)
	_, err = try(t, root, nil, script, document)
	return err
}

// The recommended rules of redocly and spectral find nothing in what is written of odd shapes, as they find nothing in the
// document of the service. But spectral takes a member of the name "$ref" for a reference.
func TestLintersFindNothingInTheOddShapes(t *testing.T) {
	t.Parallel()
	odd, _ := describeOdd(t)
	err := lint(t, filepath.Join(odd.dir, "openapi.json"))
	require.ErrorContains(t, err, "oddshapes.names.properties.URL")
	for line := range strings.Lines(err.Error()) {
		if strings.Contains(line, " error ") || strings.Contains(line, " warning ") {
			require.Regexp(t, `no-\$ref-siblings .* components.schemas.oddshapes.names(Input)?.properties`, line)
		}
	}
}

// The linters are asked: each finds what it alone looks for, and a warning is enough.
func TestLintersFindWhatIsPlanted(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs/openapi.json"))
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "openapi.json")
	planted := strings.NewReplacer(`"contact"`, `"x-contact"`, `"/audit": {`, `"/products/{any}": {`).Replace(string(text))
	require.NoError(t, os.WriteFile(name, []byte(planted), 0o600))
	err = lint(t, name)
	require.ErrorContains(t, err, "info-contact")       // spectral's
	require.ErrorContains(t, err, "no-ambiguous-paths") // redocly's
}
