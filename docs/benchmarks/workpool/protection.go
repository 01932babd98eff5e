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
	for _, where := range places() {
		full, err := l.fingerprintRate(b, where)
		if err != nil {
			return err
		}
		results, err := l.interleave([]string{naive, released}, func(v string) (columns, error) { return l.protectionOnce(b, v, where, full) })
		if err != nil {
			return err
		}
		fmt.Printf("\nGET /products/:id of the service beside POST /images/fingerprint, of which it can do %.0f a second, %s\n\n", full, where.name)
		fmt.Println("| what | measured | required |")
		fmt.Println("|---|---|---|")
		printProtection(results[released], results[naive])
	}
	return nil
}

func printProtection(ours, straight columns) {
	seconds := func(s measure.Series) string {
		return s.Each(func(v float64) float64 { return 1e9 * v }).Format(measure.Nanoseconds)
	}
	for _, row := range [][3]string{
		{"p99 alone", seconds(ours["idle"]), ""},
		{"p99 at 0.8 of the capacity", seconds(ours["busy"]), ""},
		{"the same with the work on request goroutines", seconds(straight["busy"]), ""},
		{"ratio of the two", measure.Ratio(ours["busy"], straight["busy"]).Format(measure.Count), "≤ 0.5"},
		{"p99 at 3 times the capacity", seconds(ours["flood"]), ""},
		{"times alone", measure.Ratio(ours["flood"], ours["idle"]).Format(measure.Count), "≤ 2"},
		{"p99 of what is refused", seconds(ours["refused"]), "< 50 ms"},
		{"refused, of 1", ours["share"].Format(measure.Count), "about 0.67"},
		{"goroutines, at most", ours["goroutines"].Format(measure.Count), "bounded"},
		{"resident memory, at most, in MB", ours["memory"].Format(measure.Count), "bounded"},
		{"back to twice the p99 alone, in seconds", ours["recovered"].Format(measure.Count), "≤ 5"},
		{"failed requests", ours["failed"].Format(measure.Count), "0"},
	} {
		fmt.Printf("| %s | %s | %s |\n", row[0], row[1], row[2])
	}
}

// fingerprintRate returns how many fingerprints a second the service computes, judged by the best of some tries.
func (l lab) fingerprintRate(b *builds, where place) (rate float64, err error) {
	r, err := b.start(released, where.server)
	if err != nil {
		return 0, err
	}
	defer func() { err = firstError(err, r.stop()) }()
	for range 3 {
		tried, err := r.capacity(where.client, fingerprintPath)
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
	c.add("idle", idle[0].P99)
	c.add("busy", busy[0].P99)
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
	c.add("flood", flood[0].P99)
	c.add("refused", flood[1].RefusedP99)
	c.add("share", float64(flood[1].Refused)/float64(flood[1].Refused+flood[1].OK+flood[1].Failed))
	c.add("failed", float64(flood[0].Failed+flood[0].Refused+flood[1].Failed))
	c.add("goroutines", peak["go_goroutines"])
	c.add("memory", peak["process_resident_memory_bytes"]/1e6)
	for after := 1.0; ; after++ {
		results, err := r.load(where.client, time.Second, light)
		if err != nil {
			return err
		}
		if results[0].P99 <= 2*c["idle"][0] || after > 10 {
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
	resp, err := client.Get(r.base + "/metrics")
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
