package clients_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What breaks callers is named, between the document of now and one of before; what does not break them passes.
func TestChangesThatBreakCallersAreNamed(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs(filepath.Join(root, ".ci/api/diff"))
	require.NoError(t, err)
	now, err := os.ReadFile(filepath.Join(root, "docs/openapi.json"))
	require.NoError(t, err)
	compare := func(changes ...string) (string, error) {
		before := filepath.Join(t.TempDir(), "before.json")
		text := strings.NewReplacer(changes...).Replace(string(now))
		require.Equal(t, len(changes) > 0, text != string(now))
		require.NoError(t, os.WriteFile(before, []byte(text), 0o600))
		printed, err := try(t, root, nil, script, before)
		return string(printed), err
	}

	printed, err := compare()
	require.NoError(t, err)
	require.Contains(t, printed, "No changes detected")
	_, err = compare("Every answer is an envelope", "Answers are envelopes")
	require.NoError(t, err, "words break nothing")

	_, err = compare(`"/audit": {`, `"/gone": {`, `"products.create_product"`, `"products.make_product"`, `"maxLength": 200`, `"maxLength": 300`)
	for _, named := range []string{
		"exit status 1", "GET /gone API path removed", "operation id `products.make_product` removed", "maxLength was decreased to `200`",
	} {
		require.ErrorContains(t, err, named)
	}

	_, err = try(t, root, nil, script, "no-such-commit")
	require.ErrorContains(t, err, "exit status 2")
	_, err = try(t, root, nil, script)
	require.ErrorContains(t, err, "make docs/diff BASE=main")
}
