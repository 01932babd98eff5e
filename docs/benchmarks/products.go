package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"plugboard/docs/benchmarks/measure"
)

// connections is how many clients write at a time.
const connections = 16

// compareProducts measures POST /products over loopback: the released service against a hand-written Gin and
// GORM service that commits the same transactions.
func compareProducts(ctx context.Context, b *bench) (measure.Section, error) {
	plan := b.plan(measure.Plan{Rounds: 12, Ops: 1500, Warmup: 500})
	section := measure.Section{
		Title: "POST /products over loopback, SQLite",
		Config: []string{
			"Ours: the released binary, `serve` with the defaults of production, access log written to nowhere.",
			"Peer: docs/benchmarks/ginstore, Gin and GORM by hand, compiled the same way, access log written to nowhere. Both: WAL, synchronous=FULL, one writer; the same tables and indexes. Per request one transaction with the product, the event's number, the event and its two deliveries; then the notification, the event it causes and the end of its delivery, up to 64 in a transaction; two audit entries, each in a transaction; the ends of their deliveries in transactions of many.",
			fmt.Sprintf("Client: %d kept connections, each with one request at a time, %d requests a round, in turn; it shares the cores with the server.", connections, plan.Ops),
			"*Worked* counts until the last audit entry is stored, so that both have committed the same transactions. *Answered* counts until the last answer; by then ours has worked what it accepted, and the peer, which bounds nothing, has put off half of it.",
		},
	}
	ours, err := startService(ctx, b)
	if err != nil {
		return section, err
	}
	peer, err := startGinstore(ctx, b)
	if err != nil {
		return section, errors.Join(err, ours.stop())
	}
	section.Findings, err = raceProducts(ctx, plan, ours, peer)
	return section, errors.Join(err, ours.stop(), peer.stop())
}

func raceProducts(ctx context.Context, plan measure.Plan, ours, peer *process) ([]measure.Finding, error) {
	a, b := &productLoad{process: ours}, &productLoad{process: peer}
	sides := []measure.Side{{Name: "ours", Run: a.run}, {Name: "ginstore", Run: b.run}}
	answered, err := measure.Interleave(ctx, plan, sides...)
	if err != nil {
		return nil, err
	}
	worked := [2]measure.Series{a.worked[1:], b.worked[1:]} // without the warm-up
	return []measure.Finding{
		rateFinding("POST /products, worked: ours / hand-written Gin + GORM", worked[0], worked[1], measure.AtLeast(0.8)),
		rateFinding("POST /products, answered: ours / hand-written Gin + GORM", answered[0], answered[1], measure.AtLeast(0.8)),
	}, nil
}

// rateFinding compares rates; the series are nanoseconds for one operation.
func rateFinding(name string, ours, peer measure.Series, limit measure.Limit) measure.Finding {
	a, b := ours.PerSecond(), peer.PerSecond()
	return measure.Finding{Name: name, Ours: a.Format(measure.Rate), Peer: b.Format(measure.Rate), Value: measure.Ratio(a, b), Limit: limit}
}

func startGinstore(ctx context.Context, b *bench) (*process, error) {
	binary, err := b.build(ctx, ".", "./ginstore", "ginstore")
	if err != nil {
		return nil, err
	}
	dir, err := b.folder("ginstore")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return startProcess(ctx, exec.Command(binary, "-addr", addr, "-db", filepath.Join(dir, "ginstore.db")), addr, "/livez")
}

// productLoad creates products of one server, round by round.
type productLoad struct {
	process *process
	sent    int
	// worked holds, for each round, the nanoseconds for one request until all audit entries were stored.
	worked measure.Series
	// counted are the audit entries on the pages before the one that begins at cursor.
	counted int
	cursor  string
}

func (l *productLoad) run(ctx context.Context, n int) (time.Duration, error) {
	requests := load{addr: l.process.addr, conns: connections, status: http.StatusCreated, request: func(i int) []byte {
		return post("/products", []byte(`{"name":"Desk lamp `+strconv.Itoa(i)+`","price":49.9}`))
	}}
	start := time.Now()
	took, err := requests.send(ctx, l.sent, n)
	if err != nil {
		return 0, err
	}
	l.sent += n
	if err := l.drain(ctx); err != nil {
		return 0, err
	}
	l.worked = append(l.worked, float64(time.Since(start).Nanoseconds())/float64(n))
	return took, nil
}

// drain waits until every product has its two audit entries, its own and its notification's.
func (l *productLoad) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	total := 0
	err := poll(ctx, func() (bool, error) {
		var err error
		total, err = l.entries()
		return total >= 2*l.sent, err
	})
	if err != nil {
		return fmt.Errorf("wait for audit entries (%d of %d): %w", total, 2*l.sent, err)
	}
	return nil
}

// entries counts the audit entries. It goes on from the page where the last count ended: entries are only added.
func (l *productLoad) entries() (int, error) {
	for {
		page, err := l.page()
		if err != nil {
			return 0, fmt.Errorf("count audit entries: %w", err)
		}
		if page.Next == "" {
			return l.counted + max(len(page.Items), page.Total), nil
		}
		l.counted, l.cursor = l.counted+len(page.Items), page.Next
	}
}

// auditPage is what both servers answer: ours with the entries, the peer with their number.
type auditPage struct {
	Items []struct{} `json:"items"`
	Next  string     `json:"next"`
	Total int        `json:"total"`
}

func (l *productLoad) page() (page auditPage, err error) {
	err = l.process.get("/audit?limit=100&cursor="+l.cursor, &page)
	return page, err
}
