package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"plugboard/app"
)

// op is one request of a client.
type op struct {
	method, path string
	body         []byte
	// key is the Idempotency-Key; "" for none.
	key string
	// done is told how it went: the status, or 0 when there was no answer, and the body.
	done func(status int, body []byte)
}

// workload decides which requests the clients send, and records the answers. A client makes one request after the other;
// different clients make theirs concurrently.
type workload interface {
	next(rng *rand.Rand, client int) op
}

// beacon holds the address of the service.
type beacon struct {
	mu      sync.Mutex
	url     string
	changed chan struct{}
}

func newBeacon() *beacon { return &beacon{changed: make(chan struct{})} }

// set moves the service to url; "" means that it is down.
func (b *beacon) set(url string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.url = url
	close(b.changed)
	b.changed = make(chan struct{})
}

// get waits until the service is up and returns its URL, or "" when ctx is done.
func (b *beacon) get(ctx context.Context) string {
	for {
		b.mu.Lock()
		url, changed := b.url, b.changed
		b.mu.Unlock()
		if url != "" {
			return url
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ""
		}
	}
}

const (
	// clients is how many clients write at the same time.
	clients = 8
	// requestTimeout is how long a client waits for its answer.
	requestTimeout = 10 * time.Second
	// retreat is how long a client waits after a request without an answer.
	retreat = 20 * time.Millisecond
)

// fleet is a running set of clients.
type fleet struct {
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	http   *http.Client
}

// launch starts the clients. Client i talks to the service that beacons[i%len(beacons)] names, and sends a request
// every pause. All that is random about client i comes from seed and i.
func launch(w workload, seed uint64, pause time.Duration, beacons ...*beacon) *fleet {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fleet{cancel: cancel, http: &http.Client{
		Timeout:   requestTimeout,
		Transport: &http.Transport{MaxIdleConnsPerHost: clients},
	}}
	for i := range clients {
		b := beacons[i%len(beacons)]
		f.tasks.Go(func() { f.client(ctx, w, i, rand.New(rand.NewPCG(seed, uint64(i))), pause, b) })
	}
	return f
}

// stop ends the clients. It waits until their last requests are finished.
func (f *fleet) stop() {
	f.cancel()
	f.tasks.Wait()
	f.http.CloseIdleConnections()
}

func (f *fleet) client(ctx context.Context, w workload, i int, rng *rand.Rand, pause time.Duration, b *beacon) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		url := b.get(ctx)
		if url == "" {
			return
		}
		o := w.next(rng, i)
		status, body := f.send(ctx, url, o)
		o.done(status, body)
		if status == 0 {
			app.Sleep(ctx, retreat)
		}
	}
}

// send sends o and returns the answer's status and body; 0 without an answer, or with half of one.
func (f *fleet) send(ctx context.Context, url string, o op) (status int, body []byte) {
	// A request that has begun is finished: its outcome matters to the ledger.
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), o.method, url+o.path, bytes.NewReader(o.body))
	if err != nil {
		return 0, nil
	}
	if len(o.body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	if o.key != "" {
		request.Header.Set("Idempotency-Key", o.key)
	}
	answer, err := f.http.Do(request)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(answer.Body)
	if err != nil {
		return 0, nil
	}
	return answer.StatusCode, body
}
