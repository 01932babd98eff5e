//go:build unix

package activation_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/host"
	"plugboard/infra/host/activation"
)

// childVariable has this test binary run as a service.
const childVariable = "ACTIVATION_TEST_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		host.Main(fx.Options(host.Infra, app.Domain("shop", app.Plugin[*heirs]("shop.heirs", func() *heirs { return &heirs{} }))))
	}
	m.Run()
}

// heirs tells what a program gets that the service starts.
type heirs struct{}

func (h *heirs) OnBoot(b *app.Boot) { b.Raw(http.MethodGet, "/heirs", h.execute, app.Hidden()) }

func (*heirs) execute(c *gin.Context) {
	text, err := exec.CommandContext(c, "sh", "-c", "env; ls -l /proc/self/fd 2>/dev/null || true").Output()
	if err != nil {
		text = []byte(err.Error())
	}
	_, _ = c.Writer.Write(text)
}

// service is the test binary as a service, which is not started yet. It is passed a file, and told of it in words of the shell's, in
// which $$ is its own process id.
func service(t *testing.T, listen string, file *os.File) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // should it not end where it should
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "sh", "-c", listen+` exec "$0" serve`, os.Args[0])
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), childVariable + "=yes", "APP_HTTP_ADDR=127.0.0.1:0", "APP_OPS_ADDR=off", "APP_LOG_FORMAT=json",
		"APP_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "test.db"),
	}
	cmd.ExtraFiles = []*os.File{file}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	return cmd
}

// starts runs the service and returns the address at which it says that it is, and what stops it.
func starts(t *testing.T, cmd *exec.Cmd) (addr string, stop func()) {
	t.Helper()
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_, _ = io.Copy(io.Discard, log)
		require.NoError(t, cmd.Wait())
	}
	var all strings.Builder
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var record struct{ Message, Address string }
		all.WriteString(lines.Text() + "\n")
		if json.Unmarshal(lines.Bytes(), &record) == nil && record.Message == "ready" {
			return strings.TrimPrefix(record.Address, "http://"), stop
		}
	}
	_ = cmd.Wait()
	t.Fatal("it did not start: " + all.String())
	return "", nil
}

// fails starts the service and returns what it says before it ends with exit code 1.
func fails(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, string(text))
	require.Equal(t, 1, exit.ExitCode(), string(text))
	return string(text)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	answer, err := (&http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

// socket returns a listening TCP socket and its file.
func socket(t *testing.T) (net.Listener, *os.File) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	file, err := listener.(*net.TCPListener).File()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	return listener, file
}

const ours = "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http;"

// The service serves the socket that it is passed; its programs get nothing of that; and after its end clients wait for the next
// service, since the socket lives on in whoever passed it.
func TestAServiceServesTheSocketItIsPassed(t *testing.T) {
	t.Parallel()
	listener, file := socket(t)
	require.NoError(t, listener.Close(), "the file is another copy of the socket")
	want := listener.Addr().String()

	addr, stop := starts(t, service(t, ours, file))
	require.Equal(t, want, addr)
	status, inherited := get(t, "http://"+want+"/heirs")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, inherited, childVariable)
	require.NotContains(t, inherited, "LISTEN_")
	require.NotContains(t, inherited, "socket:")
	stop()

	waiting, err := net.Dial("tcp", want) // before there is a service
	require.NoError(t, err)
	defer waiting.Close()
	_, err = io.WriteString(waiting, "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	_, stop = starts(t, service(t, ours, file))
	answer, err := io.ReadAll(waiting)
	require.NoError(t, err)
	require.Contains(t, string(answer), `{"status":"alive"}`)
	stop()
}

// What is decided by the address goes by the address of the socket: a service on all addresses answers for all names.
func TestTheAddressIsThatOfTheSocket(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	require.NoError(t, err)
	file, err := listener.(*net.TCPListener).File()
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, listener.Close())
	addr, stop := starts(t, service(t, ours, file))
	defer stop()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/heirs", http.NoBody)
	require.NoError(t, err)
	r.Host = "shop.example"
	answer, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

// Variables that are for another process are not for this one.
func TestSocketsOfAnotherProcessAreIgnored(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{
		"export LISTEN_PID=1 LISTEN_FDS=1;", "export LISTEN_FDS=1;", "export LISTEN_PID=1 LISTEN_FDS=many;", "export LISTEN_PID=$$ LISTEN_FDS=0;",
		"export LISTEN_PID=$$;",
	} {
		listener, file := socket(t)
		addr, stop := starts(t, service(t, listen, file))
		require.NotEqual(t, listener.Addr().String(), addr, listen)
		_, inherited := get(t, "http://"+addr+"/heirs")
		require.NotContains(t, inherited, "LISTEN_FDS", listen)
		stop()
		require.NoError(t, listener.Close())
	}
}

func TestWhatIsNoSocketIsSaid(t *testing.T) {
	t.Parallel()
	_, tcp := socket(t)
	plain, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer plain.Close()
	datagrams, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer datagrams.Close()
	udp, err := datagrams.File()
	require.NoError(t, err)
	defer udp.Close()
	local, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "socket"), Net: "unix"})
	require.NoError(t, err)
	defer local.Close()
	unix, err := local.File()
	require.NoError(t, err)
	defer unix.Close()
	for _, c := range []struct {
		listen string
		file   *os.File
		want   string
	}{
		{ours, plain, "LISTEN_FDS is 1, but file descriptor 3 cannot be listened on: it is no listening TCP socket"},
		{ours, udp, "LISTEN_FDS is 1, but file descriptor 3 cannot be listened on: it is no listening TCP socket"},
		{ours, unix, "LISTEN_FDS is 1, but file descriptor 3 cannot be listened on: it is no listening TCP socket"},
		{"export LISTEN_PID=$$ LISTEN_FDS=2;", tcp, "LISTEN_FDS is 2, and the service listens on one socket"},
		{"export LISTEN_PID=$$ LISTEN_FDS=many;", tcp, `LISTEN_FDS is "many"; it must be the number of passed sockets, 1`},
		{"export LISTEN_PID=$$ LISTEN_FDS=-1;", tcp, `LISTEN_FDS is "-1"`},
	} {
		require.Contains(t, fails(t, service(t, c.listen, c.file)), c.want, c.listen)
	}
}

// The environment is what is given, not that of the process, and its last entry counts.
func TestTheGivenEnvironmentCounts(t *testing.T) {
	t.Parallel()
	for _, environ := range [][]string{nil, {"LISTEN_FDS=1", "LISTEN_FDS="}, {"LISTEN_FDS=2", "LISTEN_PID=none"}} {
		listener, err := activation.Listener(environ)
		require.NoError(t, err)
		require.Nil(t, listener)
	}
}
