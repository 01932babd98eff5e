package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"plugboard/docs/benchmarks/measure"
)

const (
	// shortList and longList are how many products the two lists have.
	shortList, longList = 1000, 1_000_000
	// mostListRatio is how much longer a page of the long list may take.
	mostListRatio = 3
)

// fillSQLite and fillPostgres store ? products, in no order of name or price. About two hundred of a million have the same
// price, so that a page begins and ends among equals.
const (
	fillSQLite = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO products (name, price) SELECT printf('Product %07d', i * 7919 % 10000000), 1 + i * 7919 % 5003 / 100.0 FROM n`
	fillPostgres = `INSERT INTO products (name, price)
		SELECT 'Product ' || to_char(i * 7919 % 10000000, 'FM0000000'), 1 + i * 7919 % 5003 / 100.0 FROM generate_series(1::bigint, $1::bigint) i`
)

// compareLists measures pages of GET /products of a long list against those of a short one.
func compareLists(ctx context.Context, b *bench) (measure.Section, error) {
	plan := b.plan(measure.Plan{Rounds: 20, Ops: 50, Warmup: 50})
	section := measure.Section{Title: "Pages of a long list", Config: []string{
		fmt.Sprintf("The released binary, `serve` with the defaults of production, once with %d products and once with %d, in turn; one client on a kept connection, %d pages of 20 a round, without a total.",
			shortList, b.count(longList, 10*shortList), plan.Ops),
		"*Deep* is a page after a fifth of the list, reached by following `next` from the first.",
		"The ratio is that of the quickest rounds: what else the machine does makes single rounds several times slower. The worst of the twelve is held. Postgres knows its statistics (ANALYZE), SQLite has none.",
	}}
	findings, err := b.compareListsOn(ctx, plan, "SQLite", b.sqliteList)
	section.Findings = findings
	if err != nil {
		return section, err
	}
	err = b.onPostgres(ctx, &section, "on Postgres: there is none: ", func(pg *postgres) ([]measure.Finding, error) {
		return b.compareListsOn(ctx, plan, "Postgres", pg.list)
	})
	return section, err
}

// makeList makes a database whose tables migrate makes, fills it, and returns its URL.
type makeList func(ctx context.Context, migrate func(at string) error, rows int) (at string, err error)

func (b *bench) sqliteList(ctx context.Context, migrate func(string) error, rows int) (string, error) {
	dir, err := b.folder("list")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "list.db")
	if err := migrate("sqlite:" + file); err != nil {
		return "", err
	}
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		return "", fmt.Errorf("open list: %w", err)
	}
	_, err = db.ExecContext(ctx, fillSQLite, rows)
	if err = errors.Join(err, db.Close()); err != nil {
		return "", fmt.Errorf("fill list: %w", err)
	}
	return "sqlite:" + file, nil
}

func (p *postgres) list(ctx context.Context, migrate func(string) error, rows int) (string, error) {
	at, err := p.schema(ctx, fmt.Sprintf("list%d", rows))
	if err != nil {
		return "", err
	}
	if err := migrate(at); err != nil {
		return "", err
	}
	table := p.schemas[len(p.schemas)-1] + ".products"
	if _, err := p.conn.Exec(ctx, strings.Replace(fillPostgres, "products", table, 1), rows); err != nil {
		return "", fmt.Errorf("fill list: %w", err)
	}
	if _, err := p.conn.Exec(ctx, "VACUUM ANALYZE "+table); err != nil {
		return "", fmt.Errorf("fill list: %w", err)
	}
	return at, nil
}

// compareListsOn compares the two lists on one database.
func (b *bench) compareListsOn(ctx context.Context, plan measure.Plan, database string, list makeList) ([]measure.Finding, error) {
	short, err := b.startList(ctx, list, shortList)
	if err != nil {
		return nil, err
	}
	long, err := b.startList(ctx, list, b.count(longList, 10*shortList))
	if err != nil {
		return nil, errors.Join(err, short.stop())
	}
	findings, err := raceLists(ctx, plan, database, short, long)
	return findings, errors.Join(err, short.stop(), long.stop())
}

// listService is a service with a list of products.
type listService struct {
	*process
	// deep holds, for each sort order, the cursor of the page after a fifth of the list.
	deep map[string]string
}

var listOrders = []string{"id", "-id", "name", "-name", "price", "-price"}

func (b *bench) startList(ctx context.Context, list makeList, rows int) (*listService, error) {
	binary, err := b.service()
	if err != nil {
		return nil, err
	}
	migrate := func(at string) error {
		cmd := exec.CommandContext(ctx, binary, "migrate")
		cmd.Dir, cmd.Env = b.dir, append(cmd.Environ(), "APP_DATABASE_URL="+at)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("migrate: %w\n%s", err, out)
		}
		return nil
	}
	at, err := list(ctx, migrate, rows)
	if err != nil {
		return nil, err
	}
	p, err := startServiceOn(ctx, b, at)
	if err != nil {
		return nil, err
	}
	s := &listService{process: p, deep: map[string]string{}}
	if err := s.walk(rows / 5); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return s, nil
}

// walk follows the list in each of its orders over so many rows.
func (s *listService) walk(rows int) error {
	errs := make([]error, len(listOrders))
	deep := make([]string, len(listOrders))
	var walkers sync.WaitGroup
	for i, order := range listOrders {
		walkers.Go(func() { deep[i], errs[i] = s.follow(order, rows) })
	}
	walkers.Wait()
	for i, order := range listOrders {
		s.deep[order] = deep[i]
	}
	return errors.Join(errs...)
}

// follow reads rows of the list, in pages of 100, and returns the cursor of what comes then.
func (s *listService) follow(order string, rows int) (cursor string, err error) {
	for range rows / 100 {
		var page struct {
			Items []struct{} `json:"items"`
			Next  string     `json:"next"`
		}
		if err := s.get("/products?limit=100&sort="+order+"&cursor="+cursor, &page); err != nil {
			return "", fmt.Errorf("follow list: %w", err)
		}
		if len(page.Items) != 100 || page.Next == "" {
			return "", fmt.Errorf("follow list by %s: it ends after %d of a page", order, len(page.Items))
		}
		cursor = page.Next
	}
	return cursor, nil
}

// pages sends requests for one page, one after the other.
func (s *listService) pages(query string) func(context.Context, int) (time.Duration, error) {
	request := []byte("GET /products?" + query + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	requests := load{addr: s.addr, conns: 1, status: 200, request: func(int) []byte { return request }}
	return func(ctx context.Context, n int) (time.Duration, error) { return requests.send(ctx, 0, n) }
}

// raceLists compares each kind of page, and holds the worst.
func raceLists(ctx context.Context, plan measure.Plan, database string, short, long *listService) ([]measure.Finding, error) {
	var findings []measure.Finding
	for _, order := range listOrders {
		for _, place := range []string{"first", "deep"} {
			side := func(s *listService) measure.Side {
				query := "sort=" + order
				if place == "deep" {
					query += "&cursor=" + s.deep[order]
				}
				return measure.Side{Name: place + " page by " + order, Run: s.pages(query)}
			}
			times, err := measure.Interleave(ctx, plan, side(long), side(short))
			if err != nil {
				return findings, err
			}
			findings = append(findings, measure.Finding{
				Name: fmt.Sprintf("lists, %s: %s page by %s, long / short", database, place, order),
				Ours: times[0].Format(measure.Nanoseconds), Peer: times[1].Format(measure.Nanoseconds), Value: measure.Series{slices.Min(times[0]) / slices.Min(times[1])},
			})
		}
	}
	worst := slices.MaxFunc(findings, func(a, b measure.Finding) int {
		return cmp.Compare(a.Value.Median(), b.Value.Median())
	})
	worst.Name, worst.Limit = "**worst of these**: "+worst.Name, measure.AtMost(mostListRatio)
	return append(findings, worst), nil
}
