package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"plugboard/docs/benchmarks/measure"
)

// stream is one kind of request, sent at a fixed rate.
type stream struct {
	Path string
	Rate float64 // a second
}

// streamResult is what became of a stream. Latencies are in seconds, from the time a request was due.
type streamResult struct {
	P50, P99, Max float64
	OK, Refused   int
	RefusedP99    float64
	Failed        int
	Statuses      map[int]int // how many answers had which
}

// sendLoad is the client: it sends the streams "path:rate" at once for a time, and prints the results as JSON. With
// a rate of 0 it measures instead how many requests a second the server answers to some callers at a time.
func sendLoad(args []string) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	base := flags.String("base", "", "")
	lasts := flags.Duration("for", time.Second, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	picture() // takes a moment, which no request is to wait for
	results := make([]streamResult, flags.NArg())
	var all sync.WaitGroup
	for i, arg := range flags.Args() {
		s, err := parseStream(arg)
		if err != nil {
			return err
		}
		if s.Rate == 0 {
			fmt.Println(capacity(client, *base, s.Path, *lasts))
			return nil
		}
		all.Go(func() { results[i] = s.send(client, *base, *lasts) })
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(results)
}

func parseStream(arg string) (stream, error) {
	path, rate, _ := strings.Cut(arg, ":")
	r, err := strconv.ParseFloat(rate, 64)
	if err != nil {
		return stream{}, fmt.Errorf("read stream %q: %w", arg, err)
	}
	return stream{path, r}, nil
}

// send sends the stream and waits for the answers.
func (s stream) send(client *http.Client, base string, lasts time.Duration) streamResult {
	c := collector{want: served(s.Path), statuses: make(map[int]int)}
	var all sync.WaitGroup
	begin := time.Now()
	for i := range int(lasts.Seconds() * s.Rate) {
		due := begin.Add(time.Duration(float64(i) / s.Rate * float64(time.Second)))
		time.Sleep(time.Until(due))
		all.Go(func() { status, err := request(client, base, s.Path); c.add(time.Since(due), status, err) })
	}
	all.Wait()
	return c.result()
}

func get(client *http.Client, url string) (status int, err error) {
	return finish(client.Get(url)) //nolint:bodyclose // finish closes it
}

// served is the status of a request that the service has worked on: 401 for a sign-in, since nobody has the password.
func served(path string) int {
	if strings.HasPrefix(path, signIn) {
		return http.StatusUnauthorized
	}
	return http.StatusOK
}

type collector struct {
	want        int
	mu          sync.Mutex
	statuses    map[int]int
	ok, refused measure.Series
	failed      int
}

func (c *collector) add(took time.Duration, status int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statuses[status]++
	switch {
	case err != nil:
		c.failed++
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		c.refused = append(c.refused, took.Seconds())
	case status != c.want:
		c.failed++
	default:
		c.ok = append(c.ok, took.Seconds())
	}
}

func (c *collector) result() streamResult {
	r := streamResult{OK: len(c.ok), Refused: len(c.refused), Failed: c.failed, Statuses: c.statuses}
	if r.OK > 0 {
		r.P50, r.P99, r.Max = c.ok.Quantile(0.5), c.ok.Quantile(0.99), c.ok.Quantile(1)
	}
	if r.Refused > 0 {
		r.RefusedP99 = c.refused.Quantile(0.99)
	}
	return r
}

// capacity returns how many requests a second the server answers to four callers. For sign-ins there are as many as one plugin may have waiting for one
// worker: most of the time they wait for a commit, and four would not keep the pool busy. Who is refused all the same waits, since refusals take
// the processor from the pool's threads.
func capacity(client *http.Client, base, path string, lasts time.Duration) float64 {
	var all sync.WaitGroup
	counts := make([]int, 4)
	if strings.HasPrefix(path, signIn) {
		counts = make([]int, queuePerWorker/2) //nolint:mnd // pool.share
	}
	begin := time.Now()
	for i := range counts {
		all.Go(func() {
			for time.Since(begin) < lasts {
				if status, err := request(client, base, path); err == nil && status == served(path) {
					counts[i]++
				} else {
					time.Sleep(50 * time.Millisecond) //nolint:mnd // about two hashes
				}
			}
		})
	}
	all.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(begin).Seconds()
}
