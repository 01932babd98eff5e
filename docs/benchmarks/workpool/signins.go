package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"plugboard/docs/benchmarks/measure"
)

// signIn begins the path of a stream whose requests sign in. Each is of another unknown user and from another network, so that no limit on
// attempts keeps it from its hash.
const (
	signIn     = "SIGNIN "
	signInPath = signIn + "/accounts/sign-in"
)

func newSignIn(base, path string) *http.Request {
	body := fmt.Sprintf(`{"email":"%016x@example.org","password":"seven green lamps by the river"}`, rand.Uint64())
	req, err := http.NewRequest(http.MethodPost, base+path, strings.NewReader(body)) //nolint:noctx // the client has a timeout
	if err != nil {
		panic(err) // the addresses are ours
	}
	n := rand.Uint32()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", n>>16&0xff, n>>8&0xff, n&0xff)) //nolint:mnd // the bytes of an address
	return req
}

// signIns measures what a flood of sign-ins does to GET /products/:id.
func (l lab) signIns() error {
	b, err := build()
	if err != nil {
		return err
	}
	defer func() { _ = b.remove() }()
	where := places()[0]
	full, err := l.rateOf(b, where, signInPath)
	if err != nil {
		return err
	}
	results, err := l.interleave([]string{released}, func(string) (columns, error) { return l.signInsOnce(b, where, full) })
	if err != nil {
		return err
	}
	fmt.Printf("\nGET /products/:id of the service beside POST /accounts/sign-in, of which it can do %.0f a second, %s\n\n", full, where.name)
	if missed := printSignIns(results[released]); missed > 0 {
		return fmt.Errorf("%d requirements were missed", missed)
	}
	return nil
}

func printSignIns(c columns) (missed int) {
	return printFindings([]finding{
		{"p99 alone, in ms", c["idle"], 0},
		{"p99 beside sign-ins at 3 times the capacity, in ms", c["flood"], 0},
		{"times the p99 alone", measure.Ratio(c["flood"], c["idle"]), 2},
		{"sign-ins with a hash (401), a second", c["401"], 0},
		{"sign-ins refused by the work pool (503), a second", c["503"], 0},
		{"sign-ins refused by a limit (429), a second", c["429"], 0},
		{"p99 of what is refused, in ms", c["refused"], 0},
		{"goroutines at their most", c["goroutines"], 0},
		{"resident memory at its most, in MB", c["memory"], 0},
		{"failed requests, and refused light ones", c["failed"], -1},
	})
}

// signInsOnce measures the light requests alone and in the flood, and again, with one service: what the machine does meanwhile hits both.
func (l lab) signInsOnce(b *builds, where place, full float64) (c columns, err error) {
	c = make(columns)
	r, err := b.start(released, where.server)
	if err != nil {
		return c, err
	}
	defer func() { err = firstError(err, r.stop()) }()
	light, flood := stream{productPath, lightRate}, stream{signInPath, 3 * full}
	if _, err := r.load(where.client, time.Second, light, stream{signInPath, 0.2 * full}); err != nil { // warm-up
		return c, err
	}
	for range 2 {
		idle, err := r.load(where.client, l.phase, light)
		if err != nil {
			return c, err
		}
		watched := r.watch()
		flooded, err := r.load(where.client, l.phase, light, flood)
		peak := watched()
		if err != nil {
			return c, err
		}
		c.add("idle", 1000*idle[0].P99)
		c.add("flood", 1000*flooded[0].P99)
		c.add("refused", 1000*flooded[1].RefusedP99)
		for _, status := range []int{http.StatusUnauthorized, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
			c.add(fmt.Sprint(status), float64(flooded[1].Statuses[status])/l.phase.Seconds())
		}
		c.add("failed", float64(idle[0].Failed+idle[0].Refused+flooded[0].Failed+flooded[0].Refused+flooded[1].Failed))
		c.add("goroutines", peak["go_goroutines"])
		c.add("memory", peak["process_resident_memory_bytes"]/1e6)
	}
	return c, nil
}
