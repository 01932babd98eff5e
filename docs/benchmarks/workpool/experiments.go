package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"plugboard/docs/benchmarks/measure"
)

// lab runs the experiments.
type lab struct {
	rounds int
	phase  time.Duration
	spin   int // turns of burn that make a job
	quiet  *quiet
}

// place says where server and client run.
type place struct {
	name           string
	server, client int // cores
	cores          int // the server's
}

func places() []place {
	return []place{
		{"server and client on a core of their own", 0, 1, 1},
		{"both on all cores", anyCore, anyCore, runtime.NumCPU()},
	}
}

// columns are the figures of one variant, by name, one for each round.
type columns map[string]measure.Series

func (c columns) add(name string, v float64) { c[name] = append(c[name], v) }

// interleave measures every variant once in each round, in alternating order.
func (l lab) interleave(variants []string, once func(variant string) (columns, error)) (map[string]columns, error) {
	out := make(map[string]columns)
	for _, v := range variants {
		out[v] = make(columns)
	}
	for round := range l.rounds {
		for i := range variants {
			if round%2 == 1 {
				i = len(variants) - 1 - i
			}
			c, err := l.quiet.measure(func() (columns, error) { return once(variants[i]) })
			if err != nil {
				return nil, fmt.Errorf("variant %s: %w", variants[i], err)
			}
			for name, series := range c {
				out[variants[i]][name] = append(out[variants[i]][name], series...)
			}
		}
	}
	return out, nil
}

func (l lab) flood() error {
	variants := []string{"straight", "pond", "ants", "nice0", "nice1", "nice3", "nice5", "nice10", "nice15", "nice19"}
	for _, where := range places() {
		results, err := l.interleave(variants, func(v string) (columns, error) { return l.floodOnce(v, where) })
		if err != nil {
			return err
		}
		fmt.Printf("\nlight requests beside %s jobs, %s\n\n", jobTime, where.name)
		fmt.Println("| variant | idle p99 | at 0.8: p99 | times idle | of straight | flooded: p99 | times idle | refused p99 | jobs/s | goroutines |")
		fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
		for _, v := range variants {
			c := results[v]
			fmt.Printf("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", v,
				ms(c["idle"]), ms(c["busy"]), ratio(c["busy"], c["idle"]),
				ratio(c["busy"], results["straight"]["busy"]),
				ms(c["flood"]), ratio(c["flood"], c["idle"]), ms(c["refused"]), figures(c["jobs"], measure.Count), figures(c["goroutines"], measure.Count))
		}
	}
	return nil
}

// lightRate is the rate of the light requests.
const lightRate = 300

func (l lab) floodOnce(variant string, where place) (c columns, err error) {
	c = make(columns)
	p, err := startServer(variant, l.spin, where.server)
	if err != nil {
		return c, err
	}
	defer func() { err = firstError(err, p.stop()) }()
	light := stream{"/light", lightRate}
	full := float64(where.cores) / jobTime.Seconds()
	if _, err := p.load(where.client, time.Second, light); err != nil { // warm-up
		return c, err
	}
	for _, phase := range []struct {
		name    string
		streams []stream
	}{
		{"idle", []stream{light}},
		{"busy", []stream{light, {"/cpu", 0.8 * full}}},
		{"flood", []stream{light, {"/cpu", 3 * full}}},
	} {
		results, err := p.load(where.client, l.phase, phase.streams...)
		if err != nil {
			return c, err
		}
		c.add(phase.name, results[0].P99)
		if phase.name == "flood" {
			c.add("refused", results[1].RefusedP99)
			c.add("jobs", float64(results[1].OK)/l.phase.Seconds())
		}
	}
	stats, err := p.stats()
	c.add("goroutines", float64(stats.Goroutines))
	return c, err
}

// saturation is the part of its core the server has to spend on requests.
const saturation = 0.85

func (l lab) saturated() error {
	where := places()[0]
	rate, err := l.heavyRate(where)
	if err != nil {
		return err
	}
	variants := []string{"none", "nice0", "nice1", "nice3", "nice5", "nice10", "nice15", "nice19"}
	results, err := l.interleave(variants, func(v string) (columns, error) { return l.saturatedOnce(v, where, rate) })
	if err != nil {
		return err
	}
	fmt.Printf("\n%.0f requests a second, %g of what the server's core can do, beside a flood of %s jobs, %s\n\n", rate, saturation, jobTime, where.name)
	fmt.Println("| variant | p99 | longest GC pause | of it stopping | GC cycles | jobs/s |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, v := range variants {
		c := results[v]
		fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", v, ms(c["p99"]), ms(c["pause"]), ms(c["stopping"]), figures(c["cycles"], measure.Count), figures(c["jobs"], measure.Count))
	}
	return nil
}

// heavyRate returns the rate of heavy requests that makes the saturation, judged by the best of some tries.
func (l lab) heavyRate(where place) (rate float64, err error) {
	p, err := startServer("straight", l.spin, where.server)
	if err != nil {
		return 0, err
	}
	defer func() { err = firstError(err, p.stop()) }()
	for range 5 {
		r, err := p.capacity(where.client, "/heavy")
		if err != nil {
			return 0, err
		}
		rate = max(rate, saturation*r)
	}
	return rate, nil
}

func (l lab) saturatedOnce(variant string, where place, rate float64) (c columns, err error) {
	c = make(columns)
	run := variant
	if variant == "none" {
		run = "straight"
	}
	p, err := startServer(run, l.spin, where.server)
	if err != nil {
		return c, err
	}
	defer func() { err = firstError(err, p.stop()) }()
	if _, err := p.capacity(where.client, "/heavy"); err != nil { // warm-up
		return c, err
	}
	streams := []stream{{"/heavy", rate}}
	if variant != "none" {
		streams = append(streams, stream{"/cpu", 1.5 * float64(where.cores) / jobTime.Seconds()})
	}
	if _, err := p.stats(); err != nil { // forget what was until now
		return c, err
	}
	results, err := p.load(where.client, l.phase, streams...)
	if err != nil {
		return c, err
	}
	stats, err := p.stats()
	c.add("p99", results[0].P99)
	c.add("pause", stats.Pause)
	c.add("stopping", stats.Stopping)
	c.add("cycles", float64(stats.Cycles))
	if len(results) > 1 {
		c.add("jobs", float64(results[1].OK)/l.phase.Seconds())
	}
	return c, err
}

// besidePool is a goroutine and a channel in a process whose pool runs, with the processors that it adds.
const besidePool = "goroutine beside the pool"

func (l lab) handoff() error {
	names := []string{"goroutine", besidePool, "pond", "ants", "nice0", "nice15"}
	sides := make([]measure.Side, len(names))
	for i, name := range names {
		sides[i] = measure.Side{Name: name, Run: func(ctx context.Context, n int) (time.Duration, error) { return handOver(ctx, name, n) }}
	}
	results, err := measure.Interleave(context.Background(), measure.Plan{Rounds: 5 * l.rounds, Ops: 50_000, Warmup: 1000}, sides...)
	if err != nil {
		return err
	}
	fmt.Print("\none empty job, submitted and waited for\n\n| variant | time | of a goroutine and a channel |\n|---|---|---|\n")
	for i, name := range names {
		fmt.Printf("| %s | %s | %s |\n", name, results[i].Format(measure.Nanoseconds), measure.Ratio(results[i], results[0]).Format(measure.Count))
	}
	return nil
}

func handOver(ctx context.Context, name string, n int) (time.Duration, error) {
	variant := name
	switch name {
	case "goroutine":
		variant = "straight" // starts nothing
	case besidePool:
		variant = "nice15"
	}
	run, stop, err := newRunner(variant, runtime.NumCPU())
	if err != nil {
		return 0, err
	}
	defer stop()
	if name == "goroutine" || name == besidePool {
		run = onGoroutine
	}
	nothing := func() {}
	for range 200 { // what the variant learns about the jobs, it learns here
		if err := run(ctx, nothing); err != nil {
			return 0, err
		}
	}
	begin := time.Now()
	for range n {
		if err := run(ctx, nothing); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

func onGoroutine(_ context.Context, work func()) error {
	done := make(chan struct{})
	go func() { work(); close(done) }()
	<-done
	return nil
}

// figures writes the lowest and the median of the rounds. The lowest is that of the round that was disturbed the
// least, for what else the machine does can only add.
func figures(s measure.Series, figure func(float64) string) string {
	if len(s) == 0 {
		return "–"
	}
	return figure(s.Quantile(0)) + " / " + figure(s.Median())
}

func ms(s measure.Series) string {
	return figures(s.Each(func(v float64) float64 { return v * 1e9 }), measure.Nanoseconds)
}

// ratio divides the lowest figures, and the medians.
func ratio(a, b measure.Series) string {
	return measure.Count(a.Quantile(0)/b.Quantile(0)) + " / " + measure.Count(a.Median()/b.Median())
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
