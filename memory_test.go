package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// In a container of 512 MiB, 100 connections that had sent all but the last byte of an upload of 8 MiB had the service killed for
// memory, and so had ten PNGs of 4096×4096 at once. Where no control group can be made, a budget is set instead. With MEMORY_ALL=1
// both are tried, and each load lasts a minute.
//
//nolint:tparallel // one service after the other: each load takes what the machine has
func TestMemoryStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	lasting := 4 * time.Second
	all := os.Getenv("MEMORY_ALL") != ""
	if all {
		lasting = time.Minute
	}
	group := controlGroup(t)
	if group != "" {
		t.Run("container", func(t *testing.T) { startConfined(t, group).bear(lasting) })
	}
	if group == "" || all {
		t.Run("setting", func(t *testing.T) { startConfined(t, "").bear(lasting) })
	}
}

// bear puts all loads on the service, one after the other and then together.
func (s *confined) bear(lasting time.Duration) {
	t := s.t
	s.post("/products", "application/json", []byte(`{"name":"Desk lamp","price":49.9}`), http.StatusCreated)
	noise := uploadForm(t, noisePNG(t))
	s.post("/images", noise.contentType, noise.body, http.StatusCreated)
	big := uploadForm(t, flatPNG(t, 4096))
	loads := map[string]func(context.Context){
		"stalled uploads":     func(ctx context.Context) { s.together(ctx, 200, func() { s.stallUpload(ctx, noise) }) },
		"images nobody reads": func(ctx context.Context) { s.together(ctx, 200, func() { s.leaveImage(ctx) }) },
		"large pictures":      func(ctx context.Context) { s.together(ctx, 40, func() { s.upload(ctx, big) }) },
	}
	together := func(ctx context.Context) {
		var wg sync.WaitGroup
		for _, load := range loads {
			wg.Go(func() { load(ctx) })
		}
		wg.Wait()
	}
	for _, name := range []string{"stalled uploads", "images nobody reads", "large pictures"} {
		s.under(name, lasting, loads[name], noise, big)
	}
	s.under("all together", lasting, together, noise, big)
	require.Positive(t, s.answered[http.StatusServiceUnavailable].Load(), "nothing was refused, so nothing was tested")
}

// confined is the service as a process of its own that may have little memory.
type confined struct {
	t        *testing.T
	cmd      *exec.Cmd
	addr     string
	client   *http.Client
	exited   chan struct{}
	log      bytes.Buffer // to be read when exited is closed
	answered [600]atomic.Int64
}

// startConfined builds the service and starts it in a control group; without one, with a budget of 256 MiB.
func startConfined(t *testing.T, group string) *confined {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "plugboard")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	s := &confined{t: t, exited: make(chan struct{}), client: &http.Client{
		Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
	}}
	script, memory := "exec "+binary, "APP_HTTP_MEMORY=256MiB"
	if group != "" {
		memory = "APP_HTTP_MEMORY=0" // a share of the group's
		script = "echo $$ > " + group + "/cgroup.procs && exec " + binary
	}
	s.cmd = exec.Command("sh", "-c", script)
	s.cmd.Env = append(os.Environ(), "APP_HTTP_ADDR=127.0.0.1:0", "APP_OPS_ADDR=off", "APP_LOG_FORMAT=json", "APP_LOG_ACCESS=false",
		"APP_DATABASE_URL=sqlite:"+filepath.Join(dir, "test.db"), memory)
	stderr, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	ready := make(chan string, 1)
	go s.follow(stderr, ready)
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.exited
	})
	select {
	case s.addr = <-ready:
	case <-s.exited:
		t.Fatalf("the service did not start:\n%s", s.log.String())
	}
	return s
}

func (s *confined) follow(stderr io.Reader, ready chan<- string) {
	defer close(s.exited)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s.log.Write(append(lines.Bytes(), '\n'))
		var line struct{ Message, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "ready" {
			ready <- strings.TrimPrefix(line.Address, "http://")
		}
	}
	_ = s.cmd.Wait() // how it ended is in its state
}

// controlGroup makes a control group of 512 MiB, of version 2 or 1; "" where this is not allowed.
func controlGroup(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("plugboard-test-%d", os.Getpid())
	for _, try := range []struct{ parent, limit string }{
		{"/sys/fs/cgroup", "memory.max"}, {"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
	} {
		group := filepath.Join(try.parent, name)
		if _, err := os.Stat(filepath.Join(try.parent, "cgroup.procs")); err != nil || os.Mkdir(group, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(group) }) // it is empty by then
		if os.WriteFile(filepath.Join(group, try.limit), []byte("536870912"), 0o600) == nil {
			return group
		}
	}
	return ""
}

// patience is how long the service may take to be as before: some seconds, which the long form holds. Its workers have the lowest
// priority, and beside other tests they wait for a core.
func patience() time.Duration {
	if os.Getenv("MEMORY_ALL") != "" {
		return 10 * time.Second
	}
	return time.Minute
}

// under runs a load while it asks for a product and the state of the process all the time, and looks whether everything is as
// before soon after its end.
func (s *confined) under(name string, lasting time.Duration, load func(context.Context), uploads ...formBody) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), lasting)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		load(ctx)
	}()
	asked, slowest, most := 0, time.Duration(0), 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for _, path := range []string{"/livez", "/products/1"} {
			began := time.Now()
			s.get(path, http.StatusOK)
			slowest = max(slowest, time.Since(began))
			asked++
		}
		most = max(most, s.resident())
	}
	ended := time.Now()
	for _, upload := range uploads {
		require.Eventually(s.t, func() bool { return s.upload(s.t.Context(), upload) == http.StatusCreated },
			patience(), 50*time.Millisecond, "%s: it is not back to normal", name)
	}
	require.Zero(s.t, s.answered[http.StatusMisdirectedRequest].Load(), "%s: a load that is not let in is none", name)
	require.Less(s.t, most, 450<<20, "%s: the process held too much", name)
	s.t.Logf("%s: %d answers in between, the slowest after %s; %d MiB at most; back after %s; so far 201: %d, 503: %d, others: %s",
		name, asked, slowest.Round(time.Millisecond), most>>20, time.Since(ended).Round(time.Millisecond),
		s.answered[http.StatusCreated].Load(), s.answered[http.StatusServiceUnavailable].Load(), s.others())
}

// others counts the answers with other statuses than 201 and 503.
func (s *confined) others() string {
	var list []string
	for status := range s.answered {
		if n := s.answered[status].Load(); n > 0 && status != http.StatusCreated && status != http.StatusServiceUnavailable {
			list = append(list, fmt.Sprintf("%d: %d", status, n))
		}
	}
	return strings.Join(list, ", ")
}

// together runs so many clients side by side, each again and again, until ctx ends.
func (s *confined) together(ctx context.Context, clients int, act func()) {
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				act()
				select {
				case <-ctx.Done():
				case <-time.After(200 * time.Millisecond): // as a client that is told to come back, only sooner
				}
			}
		})
	}
	wg.Wait()
}

// dial connects until ctx ends.
func (s *confined) dial(ctx context.Context) (net.Conn, func()) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, func() {}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn, func() { stop(); _ = conn.Close() }
}

// stallUpload sends an upload without its last byte, and waits for what comes.
func (s *confined) stallUpload(ctx context.Context, form formBody) {
	conn, hangUp := s.dial(ctx)
	defer hangUp()
	if conn == nil {
		return
	}
	_, _ = fmt.Fprintf(conn, "POST /images HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", form.contentType, len(form.body))
	go func() { _, _ = conn.Write(form.body[:len(form.body)-1]) }() // it may be refused before all is sent
	if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
		s.note(answer)
	}
}

// leaveImage asks for the stored image and reads none of it.
func (s *confined) leaveImage(ctx context.Context) {
	conn, hangUp := s.dial(ctx)
	defer hangUp()
	if conn == nil {
		return
	}
	_ = conn.(*net.TCPConn).SetReadBuffer(4096) //nolint:forcetypeassert // dialed as such
	_, _ = io.WriteString(conn, "GET /images/1/content HTTP/1.1\r\nHost: localhost\r\n\r\n")
	select {
	case <-ctx.Done():
	case <-time.After(15 * time.Second): // the service gives up before
	}
}

// upload sends a form and returns the status, 0 without an answer.
func (s *confined) upload(ctx context.Context, form formBody) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/images", bytes.NewReader(form.body))
	require.NoError(s.t, err)
	r.Header.Set("Content-Type", form.contentType)
	answer, err := s.client.Do(r)
	if err != nil {
		return 0
	}
	s.note(answer)
	return answer.StatusCode
}

// note counts an answer. One that says 503 must say when to come back, in the envelope.
func (s *confined) note(answer *http.Response) {
	defer func() { _ = answer.Body.Close() }()
	s.answered[answer.StatusCode].Add(1)
	if answer.StatusCode != http.StatusServiceUnavailable {
		return
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return
	}
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err != nil || seconds < 1 || !bytes.HasPrefix(body, []byte(`{"success":false,"data":null,"error":`)) {
		s.t.Errorf("a refusal without advice or envelope: %v %s", answer.Header, body)
	}
}

func (s *confined) get(path string, status int) {
	s.t.Helper()
	answer, err := s.client.Get("http://" + s.addr + path)
	require.NoError(s.t, err)
	defer func() { _ = answer.Body.Close() }()
	require.Equal(s.t, status, answer.StatusCode, path)
}

func (s *confined) post(path, contentType string, body []byte, status int) {
	s.t.Helper()
	answer, err := s.client.Post("http://"+s.addr+path, contentType, bytes.NewReader(body))
	require.NoError(s.t, err)
	defer func() { _ = answer.Body.Close() }()
	require.Equal(s.t, status, answer.StatusCode, path)
}

// resident returns how many bytes the process has in memory. One that is gone fails the test.
func (s *confined) resident() int {
	s.t.Helper()
	select {
	case <-s.exited:
		s.t.Fatalf("the service ended: %s\n%s", s.cmd.ProcessState, s.log.String())
	default:
	}
	fields, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		return 0 // this system has none
	}
	pages, err := strconv.Atoi(strings.Fields(string(fields))[1])
	require.NoError(s.t, err)
	return pages * os.Getpagesize()
}

// formBody is a form with one image.
type formBody struct {
	contentType string
	body        []byte
}

func uploadForm(t *testing.T, content []byte) formBody {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("image", "a.png")
	require.NoError(t, err)
	_, err = part.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return formBody{w.FormDataContentType(), body.Bytes()}
}

// noisePNG is one of nearly 8 MiB.
func noisePNG(t *testing.T) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 2880, 2880))
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(img.Pix) // never fails
	return encoded(t, img)
}

// flatPNG is a small file of many pixels: four bytes each, when decoded.
func flatPNG(t *testing.T, side int) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range img.Pix {
		img.Pix[i] = byte(i / 64)
	}
	return encoded(t, img)
}

func encoded(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}
