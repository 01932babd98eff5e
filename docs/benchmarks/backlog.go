package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"plugboard/app"
	"plugboard/docs/benchmarks/measure"
)

// perBacklogTx is how many events one transaction of the backlog holds; it only makes the comparison shorter.
const perBacklogTx = 100

// compareBacklog measures the memory that waiting events take while a subscriber is stuck.
func compareBacklog(ctx context.Context, b *bench) (measure.Section, error) {
	n := b.count(100_000, 2*perBacklogTx)
	section := measure.Section{
		Title: fmt.Sprintf("Memory while %d events wait behind a stuck subscriber, SQLite", n),
		Config: []string{
			fmt.Sprintf("Durable events in transactions of %d, the one subscription stuck in its first handlers; the heap in use after a collection, with a fifth of the events waiting and with all of them. Then the subscriber is released and all are handled.", perBacklogTx),
			"Flat means: what the last four fifths add is below 4 MB, some 50 bytes an event.",
		},
	}
	ours, err := startSQLiteEvents(ctx, b, nil)
	if err != nil {
		return section, err
	}
	section.Findings, err = fillBacklog(ctx, ours, n)
	return section, errors.Join(err, ours.stop())
}

func fillBacklog(ctx context.Context, ours *eventApp, n int) ([]measure.Finding, error) {
	release := make(chan struct{})
	ours.sink.onHandle(func(ctx context.Context, _ int64) {
		select {
		case <-release:
		case <-ctx.Done():
		}
	})
	reached := ours.sink.expect(n)
	few, err := publishBacklog(ctx, ours, n/5)
	if err != nil {
		return nil, errors.Join(err, closed(release))
	}
	many, err := publishBacklog(ctx, ours, n-n/5)
	handled := ours.sink.count.Load()
	close(release)
	if err != nil {
		return nil, err
	}
	if handled != 0 {
		return nil, fmt.Errorf("fill backlog: %d events were handled by the stuck subscriber", handled)
	}
	if err := ours.sink.wait(ctx, reached); err != nil {
		return nil, err
	}
	return []measure.Finding{
		bytesFinding(fmt.Sprintf("heap with %d events waiting", n/5), few, measure.Limit{}),
		bytesFinding(fmt.Sprintf("heap with %d events waiting", n), many, measure.Limit{}),
		bytesFinding(fmt.Sprintf("growth of the heap by %d waiting events", n-n/5), many-few, measure.AtMost(4e6)),
	}, ours.idle(ctx)
}

func closed(c chan struct{}) error {
	close(c)
	return nil
}

// publishBacklog publishes n events and returns the heap in use afterwards.
func publishBacklog(ctx context.Context, ours *eventApp, n int) (float64, error) {
	for first := 0; first < n; first += perBacklogTx {
		err := app.InTx(ctx, ours.db, func(ctx context.Context) error {
			for i := range perBacklogTx {
				if err := ours.bus.Publish(ctx, placedOn{ID: int64(first + i), Name: "Desk lamp", Price: 49.9}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("publish backlog: %w", err)
		}
	}
	return heap(), nil
}

// heap returns the bytes of live objects.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held back
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
