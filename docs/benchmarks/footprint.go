package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"plugboard/docs/benchmarks/measure"
)

// compareFootprint measures the released binary's size and the memory it takes when idle.
func compareFootprint(ctx context.Context, b *bench) (measure.Section, error) {
	section := measure.Section{
		Title: "Footprint",
		Config: []string{
			"Binary: CGO_ENABLED=0, -trimpath, -tags nomsgpack, -ldflags \"-s -w\".",
			"Memory: resident set of `serve` with the defaults of production on a new SQLite file: 5 s after it became ready, and 5 s after 3,000 POST /products over 16 connections.",
		},
	}
	binary, err := b.service()
	if err != nil {
		return section, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return section, fmt.Errorf("measure binary: %w", err)
	}
	section.Findings = append(section.Findings, bytesFinding("binary size", float64(info.Size()), measure.AtMost(45e6).Aim()))
	p, err := startService(ctx, b)
	if err != nil {
		return section, err
	}
	findings, err := memoryOf(ctx, b, p)
	section.Findings = append(section.Findings, findings...)
	return section, errors.Join(err, p.stop())
}

func memoryOf(ctx context.Context, b *bench, p *process) ([]measure.Finding, error) {
	idle, idleAnonymous, err := settled(ctx, b, p)
	if err != nil {
		return nil, err
	}
	requests := load{addr: p.addr, conns: connections, status: http.StatusCreated, request: func(i int) []byte {
		return post("/products", []byte(`{"name":"Desk lamp `+strconv.Itoa(i)+`","price":49.9}`))
	}}
	if _, err := requests.send(ctx, 0, b.count(3000, 30)); err != nil {
		return nil, err
	}
	used, usedAnonymous, err := settled(ctx, b, p)
	if err != nil {
		return nil, err
	}
	return []measure.Finding{
		bytesFinding("memory, idle after start (RSS)", idle, measure.AtMost(40e6).Aim()),
		bytesFinding("of it not backed by files", idleAnonymous, measure.Limit{}),
		bytesFinding("memory, idle after requests (RSS)", used, measure.Limit{}),
		bytesFinding("of it not backed by files", usedAnonymous, measure.Limit{}),
	}, nil
}

// settled waits for the process to come to rest and reads its memory.
func settled(ctx context.Context, b *bench, p *process) (all, anonymous float64, err error) {
	rest := 5 * time.Second
	if b.quick {
		rest = 200 * time.Millisecond
	}
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-time.After(rest):
	}
	return p.memory()
}

func bytesFinding(name string, value float64, limit measure.Limit) measure.Finding {
	return measure.Finding{Name: name, Ours: measure.Megabytes(value), Value: measure.Series{value}, Figure: measure.Megabytes, Limit: limit}
}
