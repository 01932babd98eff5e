package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	all, err := choose("")
	if err != nil || len(all) != len(comparisons()) {
		t.Errorf("choose nothing: %d comparisons, %v; want all", len(all), err)
	}
	some, err := choose("start,json")
	if err != nil || len(some) != 2 || some[0].name != "start" {
		t.Errorf("choose two: %v, %v", some, err)
	}
	if _, err := choose("start,speed"); err == nil || !strings.Contains(err.Error(), `"speed"`) {
		t.Errorf("choose an unknown one: %v", err)
	}
}

func TestSlope(t *testing.T) {
	t.Parallel()
	var steady, growing []sample
	for i := range 100 {
		steady = append(steady, sample{published: float64(i), backlog: 7})
		growing = append(growing, sample{published: float64(i), backlog: float64(i) / 4})
	}
	if got := slope(steady); got != 0 {
		t.Errorf("steady backlog grows by %v", got)
	}
	if got := slope(growing); got < 0.2499 || got > 0.2501 {
		t.Errorf("backlog of a quarter grows by %v, want 0.25", got)
	}
	if got := slope(nil); got != 0 {
		t.Errorf("no samples grow by %v", got)
	}
}

func TestLoadSendsEachRequestOnce(t *testing.T) {
	t.Parallel()
	var sum, count atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("request is broken: %v, %v", err, r.Header)
		}
		sum.Add(int64(len(body)))
		count.Add(1)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "stored")
	}))
	defer server.Close()
	l := load{
		addr: strings.TrimPrefix(server.URL, "http://"), conns: 3, status: http.StatusCreated,
		request: func(i int) []byte { return post("/", make([]byte, i)) },
	}
	if _, err := l.send(t.Context(), 1, 20); err != nil {
		t.Fatal(err)
	}
	if count.Load() != 20 || sum.Load() != 210 {
		t.Errorf("server saw %d requests of %d bytes, want 20 of 1 to 20 bytes", count.Load(), sum.Load())
	}
	l.status = http.StatusOK
	if _, err := l.send(t.Context(), 1, 1); err == nil || !strings.Contains(err.Error(), "got status 201") {
		t.Errorf("wrong status: %v", err)
	}
}

func TestCounterTellsWhenReached(t *testing.T) {
	t.Parallel()
	var c counter
	reached := c.expect(3)
	for range 2 {
		c.add()
	}
	select {
	case <-reached:
		t.Error("reached after two of three")
	default:
	}
	c.add()
	if err := c.wait(t.Context(), reached); err != nil {
		t.Error(err)
	}
}

func TestStopwatchTimesWhatItSaw(t *testing.T) {
	t.Parallel()
	w := newStopwatch(4)
	w.zero = w.zero.Add(-time.Second) // so that no reading is zero
	for id := range int64(3) {
		w.committed(id + 10)
		w.started(id + 10)
	}
	times, err := w.times()
	if err != nil || len(times) != 3 || times[0] < 0 {
		t.Errorf("times = %v, %v; want three", times, err)
	}
	if _, err := newStopwatch(4).times(); err == nil {
		t.Error("a run nobody saw gave times")
	}
}

// The programs that are generated are Go files which no compiler sees before `make bench`: a renamed export breaks them
// unseen.
func TestGeneratedProgramsCompile(t *testing.T) {
	t.Parallel()
	b, err := newBench(true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	for _, kind := range []string{"ours", "bare"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := program{kind, perPackage}
			dir := t.TempDir()
			if err := p.generate(b, dir); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "go", "vet", "./...")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// What the comparison of the tools calls is there: plug in a copy of the project, with the flags that it is given.
func TestPluginsAreMade(t *testing.T) {
	t.Parallel()
	b, err := newBench(true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	p := &scaffolded{plugins: 4} // one of each kind
	if err := p.make(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	made, err := filepath.Glob(filepath.Join(p.dir, "domains", "featurea", "plugins", "do_task_?.go"))
	if err != nil || len(made) != p.plugins {
		t.Errorf("made %v, %v", made, err)
	}
}
