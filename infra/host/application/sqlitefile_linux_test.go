package application_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/host/cli"
)

// body sends a request and returns the answer's status and body.
func body(t *testing.T, method, url, content string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(content))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	answer, err := client(t).Do(request)
	require.NoError(t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return fmt.Sprintf("%d %s", answer.StatusCode, text)
}

// The file is moved under a running service, and its lock removed. What it answers, and a second service that is started
// on the file then, tell so; once the file is back it goes on.
func TestServiceWhoseFileIsMoved(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "test.db")
	first := spawn(t, "load", "APP_DATABASE_URL=sqlite:"+file)
	url := soon(t, first.addr, "the start")
	const (
		ready = `200 {"success":true,"data":{"status":"ready"},"error":null}`
		done  = `200 {"success":true,"data":{"id":%d},"error":null}`
	)
	require.Equal(t, ready, body(t, "GET", url+"/readyz", ""))
	require.Equal(t, fmt.Sprintf(done, 1), body(t, "POST", url+"/slow", `{"id":1}`))

	require.NoError(t, os.Remove(file+".lock"))
	second := spawn(t, "load", "APP_DATABASE_URL=sqlite:"+file)
	require.Equal(t, cli.ExitFailed, second.exit(t))
	require.Contains(t, second.stderr.String(), fmt.Sprintf("another process (pid %d) has it open", first.cmd.Process.Pid))

	require.NoError(t, os.Rename(file, file+".away"))
	require.Equal(t, `503 {"success":false,"data":null,"error":"the database is not available; try again","code":"unavailable"}`,
		body(t, "POST", url+"/slow", `{"id":2}`))
	require.Equal(t, `503 {"success":false,"data":null,"error":"not ready: a file of the database is not in its place","code":"unavailable"}`,
		body(t, "GET", url+"/readyz", ""))
	require.NoError(t, os.Rename(file+".away", file))
	require.Equal(t, ready, body(t, "GET", url+"/readyz", ""))
	require.Equal(t, fmt.Sprintf(done, 2), body(t, "POST", url+"/slow", `{"id":2}`))
	first.terminate(t)
	require.Equal(t, cli.ExitClean, first.exit(t), first.stderr.String())
}

// The command copies the database of a running service, from a process of its own.
func TestBackupBesideTheService(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file, to := filepath.Join(folder, "test.db"), filepath.Join(folder, "copy.db")
	environ := []string{"APP_DATABASE_URL=sqlite:" + file}
	modules := childApp("load")
	code, _, stderr := run(t, modules, environ, "backup", to)
	require.Equal(t, cli.ExitFailed, code)
	require.Equal(t, "open the database: open database "+file+": there is no such file; the service makes it when it first starts\n", stderr)

	service := spawn(t, "load", environ...)
	url := soon(t, service.addr, "the start")
	require.Contains(t, body(t, "POST", url+"/slow", `{"id":1}`), "200 ")
	code, stdout, stderr := run(t, modules, environ, "backup", to)
	require.Equal(t, cli.ExitClean, code, stderr)
	require.Regexp(t, `^copied \d\.\d MB to \S+/copy\.db in \S+s; the copy is whole\n$`, stdout)
	code, _, stderr = run(t, modules, environ, "backup", to)
	require.Equal(t, cli.ExitFailed, code)
	require.Equal(t, "back up database to "+to+": there is a file already, and a copy never overwrites one; choose another name\n", stderr)

	require.Contains(t, body(t, "POST", url+"/slow", `{"id":2}`), "200 ")
	restored := spawn(t, "load", "APP_DATABASE_URL=sqlite:"+to)
	url = soon(t, restored.addr, "the start on the copy")
	require.Contains(t, body(t, "POST", url+"/slow", `{"id":1}`), `409 {"success":false`, "it is in the copy")
	require.Contains(t, body(t, "POST", url+"/slow", `{"id":2}`), "200 ", "it came after the copy")
}

func TestBackupOfPostgres(t *testing.T) {
	t.Parallel()
	code, _, stderr := run(t, shop(), []string{"APP_DATABASE_URL=postgres://u:hunter2@127.0.0.1:1/x"}, "backup", "x")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, stderr, `pg_dump --format=custom --file=FILE "$APP_DATABASE_URL"`)
	require.NotContains(t, stderr, "hunter2")
}
