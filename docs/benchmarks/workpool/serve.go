package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
)

// serverStats is what the server tells of its garbage collector since it was last asked.
type serverStats struct {
	Pause      float64 // the longest stop of the world, in seconds
	Stopping   float64 // the longest time it took to stop it, in seconds
	Cycles     uint64
	Goroutines int
}

// serve is the server: "/light" answers a small object, "/heavy" one that costs garbage and time, and "/cpu" runs a
// job. It prints its address and serves until its standard input ends.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	variant := flags.String("variant", "straight", "")
	turns := flags.Int("turns", 1, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	run, stop, err := newRunner(*variant, runtime.NumCPU())
	if err != nil {
		return err
	}
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: routes(run, *turns)} //nolint:gosec // on loopback, for seconds
	go server.Serve(listener)                            //nolint:errcheck // ends with the process
	fmt.Println(listener.Addr())
	_, _ = os.Stdin.Read(make([]byte, 1))
	return server.Close()
}

func routes(run runner, turns int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/light", func(w http.ResponseWriter, _ *http.Request) { answer(w, newProducts(1)) })
	mux.HandleFunc("/heavy", func(w http.ResponseWriter, _ *http.Request) { answer(w, newProducts(200)) })
	mux.HandleFunc("/cpu", func(w http.ResponseWriter, r *http.Request) {
		if err := run(r.Context(), func() { burn(turns) }); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	var last pauses
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		now := readPauses()
		stats := serverStats{longest(now.total, last.total), longest(now.stopping, last.stopping), now.cycles - last.cycles, runtime.NumGoroutine()}
		last = now
		answer(w, stats)
	})
	return mux
}

type product struct {
	ID    int      `json:"id"`
	Name  string   `json:"name"`
	Price float64  `json:"price"`
	Tags  []string `json:"tags"`
}

func newProducts(n int) []product {
	out := make([]product, n)
	for i := range out {
		out[i] = product{i, fmt.Sprintf("Desk lamp %d", i), 49.9, []string{"lamp", "desk"}}
	}
	return out
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// pauses are the runtime's histograms at one time.
type pauses struct {
	total, stopping *metrics.Float64Histogram
	cycles          uint64
}

func readPauses() pauses {
	samples := []metrics.Sample{
		{Name: "/sched/pauses/total/gc:seconds"}, {Name: "/sched/pauses/stopping/gc:seconds"}, {Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	return pauses{samples[0].Value.Float64Histogram(), samples[1].Value.Float64Histogram(), samples[2].Value.Uint64()}
}

// longest returns the upper bound of the last bucket that has grown.
func longest(now, last *metrics.Float64Histogram) float64 {
	for i := len(now.Counts) - 1; i >= 0; i-- {
		if last == nil && now.Counts[i] > 0 || last != nil && now.Counts[i] > last.Counts[i] {
			return now.Buckets[i+1]
		}
	}
	return 0
}
