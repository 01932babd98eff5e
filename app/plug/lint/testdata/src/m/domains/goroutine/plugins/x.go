package plugins

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

func start() {
	go start() // want `nobody stops this goroutine or waits for it, .* register a loop with b.Loop`
	go start() //plug:allow goroutine it is stopped in Shutdown, which waits
	var group sync.WaitGroup
	group.Go(start) // want `use app.Compute`
	var all errgroup.Group
	all.Go(func() error { return nil })          // want `a panic in this goroutine ends the service`
	context.AfterFunc(context.TODO(), func() {}) // want `a panic in this goroutine`
	go start()                                   /* want `nobody stops this goroutine` */ //plug:allow goroutine
}

// awaited has loops that Shutdown stops and awaits.
type awaited struct {
	stop  chan struct{}
	done  chan struct{}
	other chan struct{}
	group sync.WaitGroup
}

func (a *awaited) Execute() {
	go a.run()
	a.group.Go(a.tick)
	a.group.Add(1)
	go func() {
		defer a.group.Done()
		a.tick()
	}()
	go func() { // want `nobody stops this goroutine`
		close(a.other)
	}()
}

// OnBoot only registers.
func (a *awaited) OnBoot() {
	go a.run()         // want `nobody stops this goroutine`
	a.group.Go(a.tick) // want `a panic in this goroutine`
}

func (a *awaited) run() {
	defer close(a.done)
	for {
		select {
		case <-a.stop:
			return
		case <-time.After(time.Second):
		}
	}
}

func (a *awaited) tick() { <-time.After(time.Second) }

func (a *awaited) Shutdown(ctx context.Context) error {
	close(a.stop)
	select {
	case <-a.done:
	case <-ctx.Done():
	}
	a.wait()
	return nil
}

func (a *awaited) wait() { a.group.Wait() }
