package main

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"plugboard/docs/benchmarks/measure"
)

// The streams of the experiment with the service.
const (
	productPath     = "/products/1"
	fingerprintPath = post + "/images/fingerprint"
)

// protection measures what POST /images/fingerprint, the service's CPU-bound endpoint, does to GET /products/:id.
func (l lab) protection() error {
	b, err := build()
	if err != nil {
		return err
	}
	defer func() { _ = b.remove() }()
	missed := 0
	for _, where := range places() {
		full, err := l.rateOf(b, where, fingerprintPath)
		if err != nil {
			return err
		}
		results, err := l.interleave([]string{naive, released}, func(v string) (columns, error) { return l.protectionOnce(b, v, where, full) })
		if err != nil {
			return err
		}
		fmt.Printf("\nGET /products/:id of the service beside POST /images/fingerprint, of which it can do %.0f a second, %s\n\n", full, where.name)
		missed += printProtection(results[released], results[naive], where)
	}
	if missed > 0 {
		return fmt.Errorf("%d requirements were missed", missed)
	}
	return nil
}

// finding is a figure and what it may be at most: 0 is any, less than 0 is none.
type finding struct {
	what   string
	series measure.Series
	limit  float64
}

// printProtection prints the findings and returns how many missed their requirement. Medians are judged. Beside a flood on
// shared cores, light requests wait for the client too, so that their times are shown and not held to a limit.
func printProtection(ours, straight columns, where place) (missed int) {
	times := 2.0
	if where.server == anyCore {
		times = 0
	}
	return printFindings([]finding{
		{"p99 alone, in ms", ours["idle"], 0},
		{"p99 at 0.8 of the capacity, in ms", ours["busy"], 0},
		{"the same with the work on request goroutines, in ms", straight["busy"], 0},
		{"ratio of the two", measure.Ratio(ours["busy"], straight["busy"]), 0.5},
		{"p99 at 3 times the capacity, in ms", ours["flood"], 0},
		{"times the p99 alone", measure.Ratio(ours["flood"], ours["idle"]), times},
		{"p99 of what is refused, in ms", ours["refused"], 50},
		{"refused, of 1", ours["share"], 0},
		{"goroutines at their most", ours["goroutines"], 500},
		{"resident memory at its most, in MB", ours["memory"], 400},
		{"back to twice the p99 alone, in seconds", ours["recovered"], 5},
		{"failed requests, and refused light ones", ours["failed"], -1},
	})
}

// printFindings prints a table, and returns how many findings missed their requirement.
func printFindings(findings []finding) (missed int) {
	fmt.Println("| what | measured | at most | |")
	fmt.Println("|---|---|---|---|")
	for _, f := range findings {
		limit, verdict := "", ""
		if f.limit != 0 {
			limit, verdict = measure.Count(max(f.limit, 0)), "met"
			if f.series.Median() > max(f.limit, 0) {
				verdict = "missed"
				missed++
			}
		}
		fmt.Printf("| %s | %s | %s | %s |\n", f.what, f.series.Format(measure.Count), limit, verdict)
	}
	return missed
}

// rateOf returns how many requests a second the service works on, judged by the best of some tries.
func (l lab) rateOf(b *builds, where place, path string) (rate float64, err error) {
	r, err := b.start(released, where.server)
	if err != nil {
		return 0, err
	}
	defer func() { err = firstError(err, r.stop()) }()
	for range 3 {
		tried, err := r.capacity(where.client, path)
		if err != nil {
			return 0, err
		}
		rate = max(rate, tried)
	}
	return rate, nil
}

func (l lab) protectionOnce(b *builds, variant string, where place, full float64) (c columns, err error) {
	c = make(columns)
	r, err := b.start(variant, where.server)
	if err != nil {
		return c, err
	}
	defer func() { err = firstError(err, r.stop()) }()
	light := stream{productPath, lightRate}
	if _, err := r.load(where.client, time.Second, light, stream{fingerprintPath, 0.2 * full}); err != nil { // warm-up
		return c, err
	}
	idle, err := r.load(where.client, l.phase, light)
	if err != nil {
		return c, err
	}
	busy, err := r.load(where.client, l.phase, light, stream{fingerprintPath, 0.8 * full})
	if err != nil {
		return c, err
	}
	c.add("idle", 1000*idle[0].P99)
	c.add("busy", 1000*busy[0].P99)
	if variant == naive {
		return c, nil // it does not come back from three times its capacity in useful time
	}
	return c, l.floodService(c, r, where, full)
}

func (l lab) floodService(c columns, r *running, where place, full float64) error {
	watched := r.watch()
	light := stream{productPath, lightRate}
	flood, err := r.load(where.client, l.phase, light, stream{fingerprintPath, 3 * full})
	peak := watched()
	if err != nil {
		return err
	}
	c.add("flood", 1000*flood[0].P99)
	c.add("refused", 1000*flood[1].RefusedP99)
	c.add("share", float64(flood[1].Refused)/float64(flood[1].Refused+flood[1].OK+flood[1].Failed))
	c.add("failed", float64(flood[0].Failed+flood[0].Refused+flood[1].Failed))
	c.add("goroutines", peak["go_goroutines"])
	c.add("memory", peak["process_resident_memory_bytes"]/1e6)
	for after := 1.0; ; after++ {
		results, err := r.load(where.client, time.Second, light)
		if err != nil {
			return err
		}
		if 1000*results[0].P99 <= 2*c["idle"][0] || after > 10 {
			c.add("recovered", after)
			return nil
		}
	}
}

// watch reads the service's gauges until the function that it returns is called, which returns their peaks.
func (r *running) watch() func() map[string]float64 {
	stop, peaks := make(chan struct{}), make(chan map[string]float64)
	go func() {
		peak := make(map[string]float64)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			r.gauges(peak)
			select {
			case <-tick.C:
			case <-stop:
				peaks <- peak
				return
			}
		}
	}()
	return func() map[string]float64 { close(stop); return <-peaks }
}

// gauges raises each peak to what the service says now.
func (r *running) gauges(peak map[string]float64) {
	client := &http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(r.ops + "/metrics")
	if err != nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil && (name == "go_goroutines" || name == "process_resident_memory_bytes") {
			peak[name] = max(peak[name], v)
		}
	}
}
