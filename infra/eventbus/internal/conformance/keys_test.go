package conformance_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"plugboard/app"
	"plugboard/infra/eventbus/internal/message"
)

func keepsOrder(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	const keys, each = 4, 40
	var mu sync.Mutex
	got := map[string][]string{}
	busy := map[string]bool{}
	var together atomic.Bool
	r.start(subscription("orderly", func(_ context.Context, d *message.Delivery) error {
		mu.Lock()
		if busy[d.Key] {
			together.Store(true)
		}
		busy[d.Key] = true
		mu.Unlock()
		runtime.Gosched()
		mu.Lock()
		defer mu.Unlock()
		busy[d.Key] = false
		if d.Attempt == 1 && strings.HasSuffix(nameOf(d), "7") {
			return errTryAgain
		}
		got[d.Key] = append(got[d.Key], nameOf(d))
		return nil
	}))
	var publishers sync.WaitGroup
	for k := range keys {
		publishers.Go(func() {
			for i := range each {
				if err := r.transport.Publish(t.Context(), event(fmt.Sprintf("%03d", i), fmt.Sprint("key", k))); err != nil {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	publishers.Wait()
	r.settle()
	for key, names := range got {
		if len(names) != each || !slices.IsSorted(names) {
			t.Fatalf("%s: %d of %d, in the order %q", key, len(names), each, names)
		}
	}
	if len(got) != keys || together.Load() {
		t.Fatalf("%d of %d keys; two of one key at a time: %v", len(got), keys, together.Load())
	}
}

func keysAreIndependent(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var others sync.WaitGroup
	others.Add(4)
	free := make(chan struct{})
	release := sync.OnceFunc(func() { close(free) })
	defer release()
	r.start(subscription("keys", func(ctx context.Context, d *message.Delivery) error {
		if d.Key != "held" {
			others.Done()
			return nil
		}
		select {
		case <-free:
		case <-ctx.Done():
		}
		return nil
	}))
	r.publish(event("1", "held"))
	r.publish(event("2", "held"))
	for i, key := range []string{"a", "b", "", ""} {
		r.publish(event(fmt.Sprint(i), key))
	}
	done := make(chan struct{})
	go func() {
		others.Wait()
		close(done)
	}()
	r.soon(done, "the handling of other keys while one is held up")
	release()
	r.settle()
}

func deadLetsKeyGoOn(t testing.TB, newTransport makeTransport) {
	r := begin(t, newTransport)
	var got journal
	r.start(subscription("resigned", func(_ context.Context, d *message.Delivery) error {
		if nameOf(d) == "1" {
			return app.Permanent(errTryAgain)
		}
		got.note(nameOf(d))
		return nil
	}))
	for _, name := range []string{"1", "2", "3"} {
		r.publish(event(name, "key"))
	}
	r.settle()
	r.same("handled", got.all(), []string{"2", "3"})
	r.same("dead", r.dead.all(), []string{`"1": try again`})
}
