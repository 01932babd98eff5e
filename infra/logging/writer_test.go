package logging_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"plugboard/config"
	"plugboard/infra/logging"
)

// pipe is a descriptor whose reader takes a write each time that take is called, and everything once it is open.
type pipe struct {
	turns chan error // what the next write returns
	mu    sync.Mutex
	got   bytes.Buffer
	calls int
}

func newPipe() *pipe { return &pipe{turns: make(chan error)} }

func (p *pipe) Write(b []byte) (int, error) {
	err := <-p.turns
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if err != nil {
		return 0, err
	}
	return p.got.Write(b)
}

func (p *pipe) take()  { p.turns <- nil }
func (p *pipe) open()  { close(p.turns) }
func (p *pipe) fails() { p.turns <- errors.New("input/output error") }

func (p *pipe) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Split(strings.TrimSuffix(p.got.String(), "\n"), "\n")
}

func newWriter(out io.Writer) *logging.Writer {
	return logging.NewWriter(out, func(n int64) []byte { return fmt.Appendf(nil, "%d dropped\n", n) })
}

func record(n int) []byte { return fmt.Appendf(nil, "record %06d %s\n", n, strings.Repeat("x", 1000)) }

// The service once stood still, with all its requests, when a pipe that it logged to was not read: each record was
// written by whoever logged it. Now nobody waits for the reader, and what finds no place is counted.
func TestNobodyWaitsForTheReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		w := newWriter(p)
		begin := time.Now()
		const all = 3000 // of 1,015 bytes: three times what there is room for
		for n := range all {
			w.WriteRecord(zapcore.InfoLevel, record(n))
			if n == 0 {
				synctest.Wait() // it is being written
			}
		}
		require.Zero(t, time.Since(begin), "whoever logs waited")
		dropped, failed := w.Dropped()
		require.InDelta(t, all-(1<<20)/len(record(0)), dropped, 1)
		require.Zero(t, failed)

		p.open()
		require.NoError(t, w.Sync())
		synctest.Wait()
		lines := p.lines()
		require.Len(t, lines, all-int(dropped)+1)
		for n, line := range lines[:len(lines)-1] {
			require.Equal(t, string(record(n)), line+"\n", "the order is kept")
		}
		require.Equal(t, fmt.Sprintf("%d dropped", dropped), lines[len(lines)-1], "the log tells what is missing")

		w.WriteRecord(zapcore.InfoLevel, record(0))
		synctest.Wait()
		require.Len(t, p.lines(), len(lines)+1, "it is told once")
	})
}

// An error is worth a moment, but a reader that has gone for good costs it once and not for each error.
func TestAnErrorWaitsAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		w := newWriter(p)
		begin := time.Now()
		for n := range 2000 {
			w.WriteRecord(zapcore.ErrorLevel, record(n))
		}
		require.Equal(t, 100*time.Millisecond, time.Since(begin), "all errors together waited this long")
		dropped, _ := w.Dropped()
		require.Positive(t, dropped)
		p.open()
		require.NoError(t, w.Sync())
		synctest.Wait()
	})
}

// When the process ends right after an error, the log must have it: by a write of its own, before anybody goes on.
func TestAnErrorIsWrittenBeforeItsCallerGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where time passes for those alone who wait
		p := newPipe()
		p.open()
		w := newWriter(p)
		for n := range 100 {
			w.WriteRecord(zapcore.InfoLevel, []byte("before\n"))
			w.WriteRecord(zapcore.ErrorLevel, fmt.Appendf(nil, "error %d\n", n))
			lines := p.lines()
			require.Equal(t, fmt.Sprintf("error %d", n), lines[len(lines)-1])
		}
		synctest.Wait()
	})
}

// A flood of access records must not push out the errors that tell why there is one.
func TestErrorsHaveAReserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		w := newWriter(p)
		for n := range 3000 {
			w.WriteRecord(zapcore.InfoLevel, record(n))
		}
		before, _ := w.Dropped()
		w.WriteRecord(zapcore.ErrorLevel, []byte("out of descriptors\n"))
		after, _ := w.Dropped()
		require.Equal(t, before, after, "the error was dropped")
		p.open()
		require.NoError(t, w.Sync())
		synctest.Wait()
		require.Contains(t, p.lines(), "out of descriptors")
	})
}

// The stop of the service must not wait for whoever does not read its log; when somebody does, nothing is lost.
func TestSyncWaitsAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		w := newWriter(p)
		w.WriteRecord(zapcore.InfoLevel, []byte("stopped\n"))
		begin := time.Now()
		require.EqualError(t, w.Sync(), "write log: nobody reads the log")
		require.Equal(t, 2*time.Second, time.Since(begin))
		require.Error(t, w.Sync())
		require.Equal(t, 2*time.Second, time.Since(begin), "the second one knows already")
		p.take()
		synctest.Wait()
		require.NoError(t, w.Sync())
		synctest.Wait()
		require.Equal(t, []string{"stopped"}, p.lines())
	})
}

// A full disk and a reader that has gone lose records too; they are counted, and told of when it is over.
func TestFailedWritesAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		w := newWriter(p)
		w.WriteRecord(zapcore.InfoLevel, []byte("one\n"))
		synctest.Wait() // it is being written
		w.WriteRecord(zapcore.InfoLevel, []byte("two\n"))
		w.WriteRecord(zapcore.InfoLevel, []byte("three\n"))
		p.fails()
		p.fails()
		synctest.Wait()
		_, failed := w.Dropped()
		require.EqualValues(t, 3, failed)
		w.WriteRecord(zapcore.InfoLevel, []byte("four\n"))
		p.take()
		p.fails() // the record about the others
		synctest.Wait()
		w.WriteRecord(zapcore.InfoLevel, []byte("five\n"))
		p.open()
		synctest.Wait()
		require.Equal(t, []string{"four", "five", "3 dropped"}, p.lines())
		_, failed = w.Dropped()
		require.EqualValues(t, 3, failed)
	})
}

// Whole records stay together in a pipe that several processes write to, as long as one write is no longer than the
// kernel keeps together.
func TestPiecesEndWithARecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &sizes{}
		w := newWriter(p)
		long := append(bytes.Repeat([]byte("y"), 5000), '\n')
		for n := range 100 {
			w.WriteRecord(zapcore.InfoLevel, record(n))
			if n%10 == 0 {
				w.WriteRecord(zapcore.InfoLevel, long)
			}
		}
		require.NoError(t, w.Sync())
		synctest.Wait()
		for _, write := range p.writes {
			require.True(t, strings.HasSuffix(write, "\n"))
			require.True(t, len(write) <= 4096 || write == string(long), "%d bytes", len(write))
		}
	})
}

type sizes struct{ writes []string }

func (s *sizes) Write(p []byte) (int, error) {
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

// A request with a path of 60 kB made a line of 120 kB: what clients give must not fill the log.
func TestARecordIsBounded(t *testing.T) {
	t.Parallel()
	for _, asJSON := range []bool{true, false} {
		var out bytes.Buffer
		logger := newLogger(t, &out, asJSON, "info").With(zap.String("plugin", "a.b"))
		long := strings.Repeat("\x01", 200_000)
		logger.Warn(long, zap.String("text", long), zap.Error(errors.New(long)), zap.ByteString("stack", []byte(long)), zap.Int("n", 7))
		require.NoError(t, logger.Sync())
		require.Less(t, out.Len(), 200_000)
		require.Equal(t, 1, strings.Count(out.String(), "\n"))
		require.Contains(t, out.String(), "…")
		require.Regexp(t, `"n": ?7`, out.String())
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	require.Equal(t, "abc", logging.Clip("abc", 3))
	require.Equal(t, "abc…", logging.Clip("abcd", 3))
	require.Equal(t, "ab…", logging.Clip("abäb", 3), "a rune is not cut")
	require.Equal(t, "\x01\x02…", logging.Clip("\x01\x02\x03", 2), "the encoder escapes, once")
}

func TestDroppedRecordsAreAMetric(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	cfg := config.Default()
	require.NoError(t, fx.New(fx.NopLogger, fx.Supply(cfg.Log, cfg.App), logging.Module,
		fx.Provide(func() prometheus.Registerer { return registry }), fx.Invoke(func(*zap.Logger) {})).Err())
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP plugboard_log_dropped_total Log records that were dropped because the reader of the log was too slow (full), or because writing failed (failed).
# TYPE plugboard_log_dropped_total counter
plugboard_log_dropped_total{reason="failed"} 0
plugboard_log_dropped_total{reason="full"} 0
`), "plugboard_log_dropped_total"))
}

func BenchmarkRecord(b *testing.B) {
	logger, err := logging.NewTo(newWriter(io.Discard), true, config.Log{Level: "info"})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		logger.Info("request", zap.String("method", "GET"), zap.String("path", "/products/1"), zap.Int("status", 200))
	}
}
