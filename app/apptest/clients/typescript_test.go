package clients_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The types that openapi-typescript makes of the document compile in strict mode, and the program in testdata/typescript/talk
// speaks to the service through them.
func TestTypeScriptClient(t *testing.T) {
	t.Parallel()
	binary := build(t)
	address := run(t, binary, administrator(t, binary))
	dir := typescriptFolder(t, "talk", address+"/openapi.json")
	output(t, dir, nil, npm(t), "tsc")
	output(t, dir, nil, npm(t), "node", "out/talk.js", address, email, password)
}

// npm returns the script that runs programs of npm's.
func npm(t *testing.T) string {
	t.Helper()
	name, err := filepath.Abs(filepath.Join(root, ".ci/npm/run"))
	require.NoError(t, err)
	return name
}

// typescriptFolder makes a folder with the files of a folder of testdata/typescript, in which npm's packages are found, and
// with schema.d.ts of a document.
func typescriptFolder(t *testing.T, folder, document string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata/typescript", folder))))
	for _, name := range []string{"package.json", "tsconfig.json"} {
		text, err := os.ReadFile(filepath.Join("testdata/typescript", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	packages := strings.TrimSpace(string(output(t, ".", nil, npm(t), "folder")))
	require.NoError(t, os.Symlink(filepath.Join(packages, "node_modules"), filepath.Join(dir, "node_modules")))
	// Without the option, what has a default must be sent.
	output(t, dir, nil, npm(t), "openapi-typescript", document, "--default-non-nullable=false", "--output", filepath.Join(dir, "schema.d.ts"))
	return dir
}
