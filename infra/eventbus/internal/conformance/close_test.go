package conformance_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plugboard/infra/eventbus/internal/message"
)

func closingCases() []transportCase {
	return []transportCase{
		{"close waits for running handlers, and none runs after it", closesInOrder},
		{"close returns an error when its time is over", closesInTime},
		{"close does not need a start", closesUnstarted},
		{"close may be called again and concurrently", closesAgain},
		{"a message published after close runs no handler", closesForGood},
		{"publishing and closing at the same time is safe", closesWhilePublishing},
	}
}

// close closes the transport and fails the test when that takes longer than it may.
func (r *trial) close(limit time.Duration) error {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), limit)
	defer cancel()
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = r.transport.Close(ctx)
	}()
	r.soon(done, "the end of Close")
	return err
}

// quiet fails the test when count changes within a moment.
func (r *trial) quiet(count *atomic.Int32, what string) {
	r.t.Helper()
	before := count.Load()
	r.never(nil, "")
	if after := count.Load(); after != before {
		r.t.Fatalf("%s: %d handlers ran", what, after-before)
	}
}

func closesInOrder(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	entered, free := make(chan struct{}), make(chan struct{})
	enter := sync.OnceFunc(func() { close(entered) })
	release := sync.OnceFunc(func() { close(free) })
	defer release()
	var running, runs atomic.Int32
	s := subscription("last", func(context.Context, *message.Delivery) error {
		running.Add(1)
		defer running.Add(-1)
		runs.Add(1)
		enter()
		<-free
		return nil
	})
	s.Concurrency = 2
	r.start(s)
	for i := range 20 {
		r.publish(event(fmt.Sprint(i), ""))
	}
	r.soon(entered, "the first run")
	closed := make(chan struct{})
	var err error
	go func() {
		defer close(closed)
		err = r.transport.Close(context.WithoutCancel(t.Context()))
	}()
	r.never(closed, "Close returned while a handler ran")
	release()
	r.soon(closed, "the end of Close")
	if n := running.Load(); err != nil || n > 0 {
		t.Fatalf("Close returned %v with %d handlers running", err, n)
	}
	r.quiet(&runs, "after Close")
}

func closesInTime(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	entered, told, free := make(chan struct{}), make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(free) })
	defer release()
	var runs atomic.Int32
	s := subscription("deaf", func(ctx context.Context, _ *message.Delivery) error {
		if runs.Add(1) == 1 {
			close(entered)
			<-ctx.Done()
			close(told)
			<-free
		}
		return nil
	})
	s.Concurrency = 1
	r.start(s)
	for i := range 5 {
		r.publish(event(fmt.Sprint(i), ""))
	}
	r.soon(entered, "the first run")
	err := r.close(50 * time.Millisecond)
	if err == nil {
		t.Fatalf("Close returned nil with a handler running")
	}
	r.soon(told, "the end of the handler's context")
	release()
	_ = r.closesAtOnce() // it may repeat its error
	r.quiet(&runs, "after Close")
	if n := runs.Load(); n != 1 {
		t.Fatalf("%d handlers ran, of which all but the first began after Close", n)
	}
}

// closesAtOnce closes the transport once more and fails the test when that takes longer than it needs to.
func (r *trial) closesAtOnce() error {
	r.t.Helper()
	begun := time.Now()
	err := r.close(patience * 3 / 4)
	if took := time.Since(begun); took > patience/2 {
		r.t.Fatalf("the second Close took %s, with nothing left to wait for", took)
	}
	return err
}

func closesUnstarted(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var runs atomic.Int32
	r.transport.Subscribe(subscription("idle", func(context.Context, *message.Delivery) error {
		runs.Add(1)
		return nil
	}))
	for range 2 {
		if err := r.close(patience); err != nil {
			t.Fatalf("close without start: %v", err)
		}
	}
	if err := r.transport.Start(t.Context()); err == nil {
		t.Fatalf("a closed transport starts")
	}
	r.quiet(&runs, "after Close")
}

func closesAgain(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var runs atomic.Int32
	r.start(subscription("busy", func(context.Context, *message.Delivery) error {
		runs.Add(1)
		return nil
	}))
	for i := range 50 {
		r.publish(event(fmt.Sprint(i), fmt.Sprint(i%3)))
	}
	var closers sync.WaitGroup
	for range 4 {
		closers.Go(func() {
			if err := r.close(patience); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	closers.Wait()
	r.quiet(&runs, "after Close")
	if err := r.close(patience); err != nil {
		t.Fatalf("close again: %v", err)
	}
}

func closesForGood(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var runs atomic.Int32
	r.start(subscription("gone", func(context.Context, *message.Delivery) error {
		runs.Add(1)
		return nil
	}))
	if err := r.close(patience); err != nil {
		t.Fatalf("close: %v", err)
	}
	published := make(chan struct{})
	go func() {
		defer close(published)
		for i := range 3 {
			m := event(fmt.Sprint(i), "")
			m.Delay = time.Duration(i) * time.Millisecond
			_ = r.transport.Publish(t.Context(), m) // a durable transport keeps it for the next start, another may refuse it
		}
	}()
	r.soon(published, "the end of publishing after Close")
	r.quiet(&runs, "after Close")
	if err := r.closesAtOnce(); err != nil {
		t.Fatalf("close again: %v", err)
	}
}

func closesWhilePublishing(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var runs atomic.Int32
	ready := make(chan struct{})
	enough := sync.OnceFunc(func() { close(ready) })
	r.start(subscription("crossroads", func(context.Context, *message.Delivery) error {
		if runs.Add(1) == 20 {
			enough()
		}
		return nil
	}))
	end := make(chan struct{})
	var publishers sync.WaitGroup
	for p := range 3 {
		publishers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-end:
					return
				default:
					_ = r.transport.Publish(t.Context(), event(fmt.Sprint(p, " ", i), fmt.Sprint(i%4))) // it may be refused
				}
			}
		})
	}
	r.soon(ready, "the first runs")
	err := r.close(patience)
	r.quiet(&runs, "after Close")
	close(end)
	publishers.Wait()
	if err != nil {
		t.Fatalf("close: %v", err)
	}
}
