//go:build unix

package main_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// As long as there was no version that builds, plug itself answers with what is wrong: a page for people, an envelope for programs.
func TestDevAnswersBeforeTheFirstVersion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.save(`"version 0"`, `<nothing>`)
	d := develop(s)
	d.sees("requests are answered with this error")
	status, header, body := d.asks("/say", browser()...)
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, body, "say.go:25:74: syntax error")
	require.Contains(t, body, "unexpected &lt;,")
	require.NotContains(t, body, "unexpected <,")
	require.Equal(t, "no-store", header.Get("Cache-Control"))
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	status, header, body = d.asks("/say")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "1", header.Get("Retry-After"))
	require.Contains(t, body, `{"success":false,"data":null,"error":"the build failed: exit status 1\n\n`)
	require.Contains(t, body, `"code":"unavailable"}`)

	s.write("domains/shop/shop.go", siteShop+"\nvar twice = 1\nvar twice = 2\n")
	d.sees("requests are answered with this error")
	s.write("domains/shop/shop.go", siteShop)
	s.save("version 0", "version 1")
	d.sees("serving at")
	d.serves("version 1")
	status, _, _ = d.asks("/say", browser()...)
	require.Equal(t, http.StatusOK, status)
}

// A version that does not build, does not pass the check, or ends at its start never replaces one that works. Browsers are shown why.
func TestDevGoesOnWithTheLastGoodVersion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hold := filepath.Join(t.TempDir(), "hold") // builds wait while there is this file
	tool := filepath.Join(t.TempDir(), "tool")
	require.NoError(t, os.WriteFile(tool, []byte("#!/bin/sh\nwhile [ -e "+hold+" ]; do sleep 0.05; done\nexec \"$@\"\n"), 0o700))
	d := develop(s, "GOFLAGS=-toolexec="+tool)
	d.sees("serving at")
	good := func(errors ...string) {
		t.Helper()
		d.serves("version 0")
		status, _, body := d.asks("/say", browser()...)
		require.Equal(t, http.StatusInternalServerError, status)
		for _, text := range errors {
			require.Contains(t, body, text)
		}
		require.Contains(t, d.output(), errors[0])
	}
	s.save(`"version 0"`, `nothing`)
	d.sees("the last good version goes on")
	good("the build failed", "undefined: nothing")

	s.save(`"/say", app`, `"say", app`)
	d.sees("the last good version goes on")
	good("the new version does not pass its check", "shop.say")

	s.save(`error { return nil }`, `error { return context.DeadlineExceeded }`)
	d.sees("the new version has ended at its start")
	d.sees("serving at")
	good("the new version has ended at its start (exit status 1)", "the application did not start")

	silent, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	require.NoError(t, err)
	defer silent.Close()
	s.save("version 0", "version 1")
	d.sees("serving at")
	d.serves("version 1")
	status, _, _ := d.asks("/say", browser()...)
	require.Equal(t, http.StatusOK, status)
	if runtime.GOOS == "linux" { // a connection opened before the change is answered after it
		_, err = io.WriteString(silent, "GET /say HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		require.NoError(t, err)
		answer, err := io.ReadAll(silent)
		require.NoError(t, err)
		require.Contains(t, string(answer), "version 1")
	}

	s.write("readme.txt", "it changes nothing")
	d.sees("nothing has changed for the service")
	require.Equal(t, 3, strings.Count(d.output(), `"message":"ready"`), d.output())

	require.NoError(t, os.WriteFile(hold, nil, 0o600))
	s.save("version 0", "version 2")
	d.sees("say.go; building")
	s.save("version 0", "version 3") // the first build is of no use any more
	d.sees("say.go; building")
	require.NoError(t, os.Remove(hold))
	d.sees("serving at")
	d.serves("version 3")
	require.Equal(t, 5, strings.Count(d.output(), "plug: built in"), d.output())
}

// What ends the command ends the service too, which finishes its requests; and a service that ends by itself is answered for.
func TestDevStopsTheService(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write("domains/shop/plugins/pid.go", "package plugins\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\nvar pid = strconv.Itoa(os.Getpid())\n")
	s.save(`"version 0"`, `pid`)
	d := develop(s)
	d.sees("serving at")
	require.NoError(t, syscall.Kill(d.pid(), syscall.SIGKILL))
	d.sees("the service has ended by itself (signal: killed)")
	d.sees("requests are answered with this error")
	status, _, body := d.asks("/say")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "the service has ended by itself")
	s.write("readme.txt", "it changes nothing")
	d.sees("serving at")
	pid := d.pid()

	d.stop()
	require.Zero(t, d.cmd.ProcessState.ExitCode(), d.output())
	require.Contains(t, d.output(), `"message":"stopped"`)
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	_, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// A killed command leaves no service behind: it would hold the address and the database.
func TestDevLeavesNoServiceBehind(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux ends a process with the one that started it")
	}
	s := newSite(t)
	d := develop(s)
	d.sees("serving at")
	require.NoError(t, d.cmd.Process.Kill())
	<-d.exited // its output was closed: by the service too
	gone := func() bool {
		_, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
		return err != nil
	}
	require.Eventually(t, gone, patience, 10*time.Millisecond)
}

// It does not begin where it could not do its work.
func TestDevSaysWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	settings := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(settings, []byte("http: {addr: \""+listener.Addr().String()+"\"}\n"), 0o600))
	for want, environ := range map[string]string{
		"another process uses this address; stop it, or set APP_HTTP_ADDR": "APP_HTTP_ADDR=" + listener.Addr().String(),
		"listen on " + listener.Addr().String():                            "APP_CONFIG=" + settings,
		"app.env is production":                                            "APP_ENV=production",
	} {
		plug, err := plugBinary()
		require.NoError(t, err)
		text, err := s.command(plug+" dev", environ).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(text), want)
	}
}
