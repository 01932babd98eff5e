package conformance_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plugboard/app"
	"plugboard/infra/eventbus/internal/message"
)

func deliversAll(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	sent := map[string]*message.Message{}
	var got, wrong journal
	r.start(subscription("all", func(_ context.Context, d *message.Delivery) error {
		got.note(nameOf(d))
		if difference := sameMessage(sent[nameOf(d)], d); difference != "" || d.Attempt != 1 || d.Subscription.Name != "all" {
			wrong.note(fmt.Sprintf("%s: %s, attempt %d, subscription %s", nameOf(d), difference, d.Attempt, d.Subscription.Name))
		}
		return nil
	}))
	var names []string
	for i := range 200 {
		m := event(fmt.Sprint("m", i), "")
		m.Parent, m.RequestID, m.Principal, m.Trace = fmt.Sprint("p", i), fmt.Sprint("r", i), fmt.Sprint("u", i), fmt.Sprint("t", i)
		if i%2 == 0 {
			m.Key, m.Headers = fmt.Sprint("k", i%6), map[string]string{"n": fmt.Sprint(i)}
		}
		sent[fmt.Sprint("m", i)] = m
		names = append(names, fmt.Sprint("m", i))
	}
	for _, name := range names {
		r.publish(sent[name])
	}
	r.publish(&message.Message{Envelope: &message.Envelope{Topic: "other.made", Payload: []byte(`"of another topic"`)}, Time: message.Now()})
	r.settle()
	r.same("handled", got.all(), names)
	r.same("changed on the way", wrong.all(), nil)
}

func deliversToEach(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var got journal
	numbered := func(name string) message.Subscription {
		return subscription(name, func(_ context.Context, d *message.Delivery) error {
			got.note(d.Subscription.Name + " " + nameOf(d))
			return nil
		})
	}
	r.start(numbered("first"), numbered("second"), numbered("third"))
	var want []string
	for i := range 50 {
		r.publish(event(fmt.Sprint(i), ""))
		want = append(want, fmt.Sprint("first ", i), fmt.Sprint("second ", i), fmt.Sprint("third ", i))
	}
	r.settle()
	r.same("handled", got.all(), want)
}

func runsConcurrently(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	const most = 3
	met := make(chan struct{})
	meet := sync.OnceFunc(func() { close(met) })
	defer meet()
	var running, entered atomic.Int32
	var tooMany atomic.Bool
	s := subscription("crowd", func(ctx context.Context, _ *message.Delivery) error {
		if running.Add(1) > most {
			tooMany.Store(true)
		}
		defer running.Add(-1)
		if entered.Add(1) == most {
			meet()
		}
		select { // the first handlers wait for each other, and then a moment for a handler too many
		case <-met:
		case <-ctx.Done():
		}
		if entered.Load() <= most {
			moment := time.NewTimer(50 * time.Millisecond)
			defer moment.Stop()
			<-moment.C
		}
		return nil
	})
	s.Concurrency = most
	r.start(s)
	for i := range 30 {
		r.publish(event(fmt.Sprint(i), ""))
	}
	r.soon(met, fmt.Sprintf("%d handlers at a time", most))
	r.settle()
	if tooMany.Load() {
		t.Fatalf("more than %d handlers ran at a time", most)
	}
}

func retries(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	const wait = 100 * time.Millisecond
	var mu sync.Mutex
	var runs []time.Time
	var attempts journal
	s := subscription("stubborn", func(_ context.Context, d *message.Delivery) error {
		mu.Lock()
		runs = append(runs, time.Now())
		mu.Unlock()
		attempts.note(fmt.Sprint(d.ID() != "", d.Attempt))
		if d.Attempt < 3 {
			return errTryAgain
		}
		return nil
	})
	s.BackoffMin, s.BackoffMax = wait, wait
	r.start(s)
	r.publish(event("a", ""))
	r.settle()
	r.same("attempts", attempts.all(), []string{"true 1", "true 2", "true 3"})
	r.same("failures", r.failed.all(), []string{`"a": try again`, `"a": try again`})
	r.same("dead", r.dead.all(), nil)
	for i := 1; i < len(runs); i++ {
		if took := runs[i].Sub(runs[i-1]); took < wait/2-10*time.Millisecond { // half of the wait is jitter
			t.Fatalf("attempt %d came %s after the one before; the wait is at least half of %s", i+1, took, wait)
		}
	}
}

func survivesPanics(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var got journal
	s := subscription("wild", func(_ context.Context, d *message.Delivery) error {
		switch {
		case d.Attempt > 1:
		case strings.HasPrefix(nameOf(d), "panic"):
			panic("out of order")
		case strings.HasPrefix(nameOf(d), "exit"):
			runtime.Goexit()
		}
		got.note(nameOf(d))
		return nil
	})
	s.Concurrency = 1
	r.start(s)
	var want []string
	for i := range 9 {
		name := fmt.Sprint([]string{"panic", "exit", "fine"}[i%3], i)
		r.publish(event(name, ""))
		want = append(want, name)
	}
	r.settle()
	r.same("handled", got.all(), want)
	if n := len(r.failed.all()); n != 6 {
		t.Fatalf("%d failures, want 6: %q", n, r.failed.all())
	}
}

func deadLetters(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var runs journal
	r.start(subscription("hopeless", func(_ context.Context, d *message.Delivery) error {
		runs.note(fmt.Sprint(nameOf(d), d.Attempt))
		switch nameOf(d) {
		case "always":
			return errTryAgain
		case "permanent":
			return app.Permanent(errTryAgain)
		}
		return nil
	}))
	for _, name := range []string{"always", "permanent", "fine"} {
		r.publish(event(name, ""))
	}
	r.settle()
	r.same("runs", runs.all(), []string{"always1", "always2", "always3", "always4", "permanent1", "fine1"})
	r.same("dead", r.dead.all(), []string{`"always": try again`, `"permanent": try again`})
}

func delays(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	const delay = 300 * time.Millisecond
	var mu sync.Mutex
	at := map[string]time.Time{}
	r.start(subscription("patient", func(_ context.Context, d *message.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		at[nameOf(d)] = time.Now()
		return nil
	}))
	late := event("late", "")
	late.Delay = delay
	published := time.Now()
	r.publish(late)
	r.publish(event("now", ""))
	r.settle()
	mu.Lock()
	defer mu.Unlock()
	if len(at) != 2 {
		t.Fatalf("handled %d of 2", len(at))
	}
	if took := at["late"].Sub(published); took < delay-10*time.Millisecond {
		t.Fatalf("handled after %s; the delay is %s", took, delay)
	}
}

func endsContextsOfLongRuns(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var got journal
	s := subscription("slow", func(ctx context.Context, d *message.Delivery) error {
		if d.Attempt > 1 {
			got.note("again")
			return nil
		}
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			got.note("told")
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	})
	s.Timeout = 20 * time.Millisecond
	r.start(s)
	r.publish(event("a", ""))
	r.settle()
	r.same("runs", got.all(), []string{"told", "again"})
}

func obeysTransactions(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var got journal
	early := make(chan struct{})
	tell := sync.OnceFunc(func() { close(early) })
	r.start(subscription("late", func(_ context.Context, d *message.Delivery) error {
		got.note(nameOf(d))
		tell()
		return nil
	}))
	publish := func(name string, outcome error) {
		err := r.inTx(t.Context(), func(ctx context.Context) error {
			for i := range 3 {
				if err := r.transport.Publish(ctx, event(fmt.Sprint(name, i), "")); err != nil {
					return err
				}
			}
			r.never(early, "a message was handed over before the commit")
			return outcome
		})
		if (err == nil) != (outcome == nil) {
			t.Fatalf("transaction: %v", err)
		}
	}
	publish("undone", errTryAgain)
	publish("done", nil)
	r.settle()
	r.same("handled", got.all(), []string{"done0", "done1", "done2"})
}

func keepsEarlyMessages(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var got journal
	r.transport.Subscribe(subscription("waiting", func(_ context.Context, d *message.Delivery) error {
		got.note(nameOf(d))
		return nil
	}))
	for _, key := range []string{"", "key"} {
		r.publish(event("early"+key, key))
	}
	if n := len(got.all()); n > 0 {
		t.Fatalf("%d handled before the start", n)
	}
	r.start()
	r.publish(event("late", "key"))
	r.settle()
	r.same("handled", got.all(), []string{"early", "earlykey", "late"})
}

func publishesWithoutWaiting(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	free := make(chan struct{})
	release := sync.OnceFunc(func() { close(free) })
	defer release()
	var got atomic.Int32
	s := subscription("stuck", func(ctx context.Context, _ *message.Delivery) error {
		select {
		case <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		got.Add(1)
		return nil
	})
	s.Concurrency = 1
	r.start(s)
	const many = 100
	published := make(chan struct{})
	go func() {
		defer close(published)
		for i := range many {
			if err := r.transport.Publish(t.Context(), event(fmt.Sprint(i), "")); err != nil {
				t.Errorf("publish: %v", err)
			}
		}
	}()
	r.soon(published, "the end of publishing while the handler is stuck")
	release()
	r.settle()
	if got.Load() != many {
		t.Fatalf("handled %d of %d", got.Load(), many)
	}
}

func awaitsIdle(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	entered, free := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(free) })
	defer release()
	r.start(subscription("busy", func(_ context.Context, d *message.Delivery) error {
		if d.Attempt == 1 {
			close(entered)
			<-free
			return errTryAgain
		}
		return nil
	}))
	r.settle()
	r.publish(event("a", ""))
	r.soon(entered, "the run of the handler")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.transport.AwaitIdle(ctx); err == nil {
		t.Fatalf("idle while a handler runs")
	}
	release()
	r.settle()
	r.same("failures", r.failed.all(), []string{`"a": try again`})
}
