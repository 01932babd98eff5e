package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// campaign is a series of kills of one service on one database.
type campaign struct {
	trials int
	// seed decides when the kills fall and what the clients send.
	seed uint64
	// pause is the time between two requests of a client.
	pause time.Duration
	// progress is told now and then how it goes.
	progress io.Writer
}

const (
	// early is within which time of a start every third kill falls, so that the recovery is killed too.
	early = 200 * time.Millisecond
	// window is within which time of readiness the other kills fall.
	window = 600 * time.Millisecond
	// startLimit is how long a start may take, drainLimit the working off of what is left at the end.
	startLimit = time.Minute
	drainLimit = 5 * time.Minute
	// stopLimit is how long a graceful stop may take.
	stopLimit = time.Minute
	// progressEvery is how many trials make a line of progress.
	progressEvery = 20
)

// tally counts the kills: those soon after a start, those before the service was ready, and those after.
type tally struct{ trials, soon, starting, serving int }

// run starts and kills the service, while clients write. It ends with the service down.
func (c campaign) run(ctx context.Context, s *service, w workload) (tally, error) {
	rng := rand.New(rand.NewPCG(c.seed, 0))
	at := newBeacon()
	fleet := launch(w, c.seed, c.pause, at)
	defer fleet.stop()
	var t tally
	for t.trials = range c.trials {
		soon := t.trials%3 == 0
		ready, err := trial(ctx, s, at, soon, rng)
		if err != nil {
			return t, fmt.Errorf("trial %d of seed %d: %w", t.trials, c.seed, err)
		}
		if soon {
			t.soon++
		}
		if ready {
			t.serving++
		} else {
			t.starting++
		}
		if (t.trials+1)%progressEvery == 0 {
			fmt.Fprintf(c.progress, "  %d of %d trials\n", t.trials+1, c.trials)
		}
	}
	t.trials = c.trials
	return t, nil
}

// trial starts the service and kills it, soon after the start or soon after it is ready. It reports whether the
// service was ready.
func trial(ctx context.Context, s *service, at *beacon, soon bool, rng *rand.Rand) (ready bool, err error) {
	p, err := s.start()
	if err != nil {
		return false, err
	}
	defer p.kill()
	defer at.set("")
	var kill <-chan time.Time
	wait := time.Duration(rng.Int64N(int64(window)))
	if soon {
		wait = time.Duration(rng.Int64N(int64(early)))
		kill = time.After(wait)
	}
	starting := time.NewTimer(startLimit)
	defer starting.Stop()
	isReady := p.ready
	for {
		select {
		case <-isReady:
			ready, isReady = true, nil
			starting.Stop()
			at.set(p.url)
			if !soon {
				kill = time.After(wait)
			}
		case <-kill:
			return ready, nil
		case <-starting.C:
			return false, fmt.Errorf("the service was not ready within %s", startLimit)
		case <-p.exited:
			return ready, fmt.Errorf("the service ended by itself: %w", orClean(p.err))
		case <-ctx.Done():
			return ready, ctx.Err()
		}
	}
}
