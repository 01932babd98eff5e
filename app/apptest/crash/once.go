package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
)

// onceLedger is a workload of the harness service: pairs of clients send requests with an Idempotency-Key, and repeat each until it is
// answered, and at times after that. The ledger is their record of the answers.
type onceLedger struct {
	// writes has the writes that were answered, for the oracle.
	writes *probeLedger

	mu    sync.Mutex
	pairs [clients / 2]*keyed // the requests that are sent now
	all   []*keyed
	// refused counts the answers that ask for a later repeat, repeats the answers of requests that were answered before.
	refused, repeats int
	// wrong are the answers that no client should get.
	wrong []string
}

// keyed is a request with a key.
type keyed struct {
	key, lane string
	// answer is the body of the first answer, "" without any.
	answer string
}

func newOnceLedger() *onceLedger { return &onceLedger{writes: newProbeLedger()} }

// next implements workload.
func (l *onceLedger) next(rng *rand.Rand, client int) op {
	l.mu.Lock()
	defer l.mu.Unlock()
	pair := client / 2
	k := l.pairs[pair]
	if k == nil || k.answer != "" && rng.IntN(2) == 0 {
		k = &keyed{key: fmt.Sprintf("k%d-%d", pair, len(l.all)), lane: fmt.Sprintf("lane-%d", rng.IntN(lanes))}
		l.pairs[pair], l.all = k, append(l.all, k)
	}
	return l.request(k)
}

func (l *onceLedger) request(k *keyed) op {
	return op{
		method: http.MethodPost, path: "/writes/once", body: encode(map[string]string{"token": k.key, "lane": k.lane}), key: k.key,
		done: func(status int, body []byte) { l.note(k, status, string(body)) },
	}
}

// note notes an answer.
func (l *onceLedger) note(k *keyed, status int, body string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case status == 0:
	case status == http.StatusConflict, status == http.StatusServiceUnavailable:
		l.refused++
	case status != http.StatusCreated:
		l.wrong = append(l.wrong, fmt.Sprintf("%s was answered %d: %s", k.key, status, body))
	case k.answer == "":
		k.answer = body
		_, token, _ := strings.Cut(body, `{"token":"`)
		token, _, _ = strings.Cut(token, `"`)
		l.writes.mu.Lock()
		l.writes.acked[token] = true
		l.writes.mu.Unlock()
	case k.answer != body:
		l.wrong = append(l.wrong, fmt.Sprintf("%s was answered %s, and then %s", k.key, k.answer, body))
	default:
		l.repeats++
	}
}

// mostAsked is how many of the requests that were answered are repeated at the end.
const mostAsked = 500

// settle repeats what has no answer yet until it has one, and the last of the rest once more. The service runs, and no client does.
func (l *onceLedger) settle(ctx context.Context, s *service) error {
	var p *process
	if err := within(ctx, startLimit, func(ctx context.Context) (err error) {
		p, err = s.serve(ctx)
		return err
	}); err != nil {
		return err
	}
	f := &fleet{http: &http.Client{Timeout: requestTimeout}}
	defer f.http.CloseIdleConnections()
	for i, k := range l.all {
		if k.answer != "" && i < len(l.all)-mostAsked {
			continue
		}
		before := l.answers()
		if err := within(ctx, startLimit, func(ctx context.Context) error {
			return poll(ctx, "repeat "+k.key, func() (bool, error) {
				o := l.request(k)
				o.done(f.send(ctx, p.url, o))
				return l.answers() > before, nil
			})
		}); err != nil {
			p.kill()
			return err
		}
	}
	return within(ctx, stopLimit, p.stop)
}

// answers counts what note noted, but for what asks for a later repeat.
func (l *onceLedger) answers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.writes.acked) + l.repeats + len(l.wrong)
}

// finishOnce has all requests answered, lets the service handle all events, and judges.
func finishOnce(ctx context.Context, s *service, l *onceLedger) (*report, error) {
	unsettled := l.settle(ctx, s)
	r, err := finishProbe(ctx, s, l.writes, replayed(s))
	if err != nil {
		return nil, err
	}
	if unsettled != nil {
		r.violate(unhealthy, "%v", unsettled)
	}
	for _, wrong := range l.wrong {
		r.violate(answers, "%s", wrong)
	}
	db, err := openStore(s.database)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	defer func() { _ = db.Close() }()
	tables, err := readProbe(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the tables: %w", err)
	}
	done := map[string]int{}
	for token := range tables.writes {
		key, _, _ := strings.Cut(token, "#")
		if done[key]++; done[key] > 1 {
			r.violate(repeated, "the work of %s was done %d times", key, done[key])
		}
	}
	r.figure("keys / repeats / refused for now", fmt.Sprintf("%d / %d / %d", len(l.all), l.repeats, l.refused))
	return r, nil
}
