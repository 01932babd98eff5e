package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "plugboard-crash-test-")
	if err != nil {
		panic(err)
	}
	binaries.folder = folder
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code) //nolint:forbidigo // a TestMain ends the process
}

// built holds the binaries that the tests share, each built when it is first asked for.
type built struct {
	folder string
	mu     sync.Mutex
	paths  map[string]string
}

var binaries = built{paths: make(map[string]string)} //nolint:gochecknoglobals // shared by the tests of one run

// binary returns the binary of that name: plugboard, service or sabotaged. Tests that start processes are left out
// with -short.
func binary(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts processes; left out with -short")
	}
	binaries.mu.Lock()
	defer binaries.mu.Unlock()
	if path, ok := binaries.paths[name]; ok {
		return path
	}
	b, err := newBuilder(t.Context(), binaries.folder)
	require.NoError(t, err)
	build := map[string]func(context.Context) (string, error){"plugboard": b.released, "service": b.service, "sabotaged": b.sabotaged}[name]
	path, err := build(t.Context())
	require.NoError(t, err)
	binaries.paths[name] = path
	return path
}

// seed returns the seed of a test, which CRASH_SEED repeats, and prints it.
func seed(t *testing.T) uint64 {
	t.Helper()
	if given := os.Getenv("CRASH_SEED"); given != "" {
		n, err := strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
		return n
	}
	n := uint64(rand.Uint32())
	t.Logf("seed %d; CRASH_SEED=%d repeats it", n, n)
	return n
}

// eachPlace runs fn as a parallel subtest with a place for databases of each kind.
func eachPlace(t *testing.T, fn func(t *testing.T, p *place)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			fn(t, placeOf(t, kind))
		})
	}
}

// onePlace is eachPlace with one kind only, which the seed chooses, unless CRASH_ALL is set: the many runs of a test
// come by all kinds.
func onePlace(t *testing.T, seed uint64, fn func(t *testing.T, p *place)) {
	t.Helper()
	if os.Getenv("CRASH_ALL") != "" {
		eachPlace(t, fn)
		return
	}
	kind := "sqlite"
	if seed%2 == 1 && os.Getenv("TEST_DATABASE_URL") != "" {
		kind = "postgres"
	}
	t.Run(kind, func(t *testing.T) { fn(t, placeOf(t, kind)) })
}

func placeOf(t *testing.T, kind string) *place {
	t.Helper()
	if kind == "postgres" && os.Getenv("TEST_DATABASE_URL") == "" {
		t.Skip("TEST_DATABASE_URL is not set; make test sets it")
	}
	p, err := newPlace(t.Context(), kind, "", t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.close(context.WithoutCancel(t.Context()))) })
	return p
}

// newService returns a service of the named binary on an empty database.
func newService(t *testing.T, p *place, name string, settings ...string) *service {
	t.Helper()
	url, err := p.database(t.Context(), "crash")
	require.NoError(t, err)
	return &service{binary: binary(t, name), database: url, settings: settings, log: logOf(t)}
}

// as returns the service on the same database with another binary and further settings.
func (s *service) as(t *testing.T, name string, settings ...string) *service {
	t.Helper()
	other := *s
	other.binary = binary(t, name)
	other.settings = append(append([]string(nil), s.settings...), settings...)
	return &other
}

// logOf returns a log that is shown when the test fails.
func logOf(t *testing.T) io.Writer {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "service.log"))
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = file.Close()
		if !t.Failed() {
			return
		}
		text, _ := os.ReadFile(file.Name())
		const most = 20000
		t.Logf("the service's log:\n%s", text[max(0, len(text)-most):])
	})
	return file
}

// pause is the time between two requests of a client, in tests.
const pause = 20 * time.Millisecond

// patience is how long the tests wait for what should take a second or two.
const patience = 2 * time.Minute

// serve starts s; the test's end ends it.
func serve(t *testing.T, s *service) *process {
	t.Helper()
	var p *process
	require.NoError(t, within(t.Context(), patience, func(ctx context.Context) (err error) {
		p, err = s.serve(ctx)
		return err
	}))
	t.Cleanup(p.kill)
	return p
}

// shining returns a beacon at p.
func shining(p *process) *beacon {
	b := newBeacon()
	b.set(p.url)
	return b
}

// until waits for a condition.
func until(t *testing.T, what string, done func() (bool, error)) {
	t.Helper()
	require.NoError(t, within(t.Context(), patience, func(ctx context.Context) error { return poll(ctx, what, done) }))
}

// acks waits until n more writes are acked.
func acks(t *testing.T, l *probeLedger, n int) {
	t.Helper()
	want := l.ackedSoFar() + n
	until(t, fmt.Sprintf("wait for %d acks", n), func() (bool, error) { return l.ackedSoFar() >= want, nil })
}

// look opens the database of s.
func look(t *testing.T, s *service) *store {
	t.Helper()
	db, err := openStore(s.database)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}
