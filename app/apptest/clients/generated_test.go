package clients_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
	_ "github.com/oapi-codegen/runtime" // what a generated client imports
	"github.com/stretchr/testify/require"
)

// A client that is generated from the description compiles, and the program in testdata/talk speaks to the service
// through it.
func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	binary := build(t)
	address := run(t, binary, administrator(t, binary))
	answer, err := http.Get(address + "/openapi-3.0.json")
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	spec, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	source, err := codegen.Generate(spec, codegen.Configuration{
		PackageName: "main", Generate: codegen.GenerateOptions{Client: true, Models: true},
	}.UpdateDefaults())
	require.NoError(t, err)

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "client.go"), []byte(source), 0o600))
	for _, name := range []string{"go.mod", "go.sum", "testdata/talk/main.go"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o600))
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", ".", address, email, password)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
}
