package eventbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plugboard/app"
)

// errNoEvent is the error of a delivery whose event is not stored.
var errNoEvent = errors.New("the event of this delivery is not stored any more: somebody deleted it by hand")

// unknownEvent stands for an event of which little is known, and says why. Its delivery goes the way of all others and dies at its turn.
func unknownEvent(l *lane, id, key string, fault error) *Message {
	m := &Message{Envelope: &Envelope{Topic: l.group.Topic, fault: fault}, Key: key}
	m.id.Store(&id)
	return m
}

// readable has the deliveries die that cannot be handed over, instead of calling handle.
func readable(handle func(context.Context, *Incoming) error) func(context.Context, *Incoming) error {
	return func(ctx context.Context, d *Incoming) error {
		if d.fault != nil {
			return app.Permanent(d.fault)
		}
		return handle(ctx, d)
	}
}

// badRow reports whether a claim failed because of what is stored in the row, and will fail whenever it is tried.
func badRow(err error) bool {
	var row *rowError
	return errors.As(err, &row) || app.CodeOf(err) == app.Invalid
}

// maxOddFailures is how many deliveries claimSingly tries in vain when neither they nor an absent database are the cause.
const maxOddFailures = 8

// claimSingly claims deliveries one by one after a claim of all of them has failed with cause, so that a bad one does not
// keep the others from being claimed. The bad one becomes dead. It notes in taken what it has claimed, and reports whether l
// was full.
func (p *poller) claimSingly(ctx context.Context, l *lane, heads []head, taken map[string]bool, cause error) (full bool, err error) {
	if ctx.Err() != nil || blameless(ctx, cause) {
		return false, cause
	}
	var failed []error
	for _, h := range heads {
		one := make(map[string]bool)
		full, err := p.claimThese(ctx, l, []head{h}, one)
		if err != nil && badRow(err) {
			err = p.condemn(ctx, l, h, err)
		}
		switch {
		case full:
			return true, errors.Join(failed...)
		case err != nil:
			failed = append(failed, fmt.Errorf("event %s: %w", h.id, err))
		}
		if one[h.id] {
			taken[h.id] = true
		}
		if err != nil && (blameless(ctx, err) || len(failed) >= maxOddFailures) {
			break
		}
	}
	return false, errors.Join(failed...)
}

// condemn makes a delivery dead that cannot be claimed because of what is stored in its row.
func (p *poller) condemn(ctx context.Context, l *lane, h head, failure error) error {
	d := unknownEvent(l, h.id, h.key, nil).incoming(l, 0)
	dead := op{kind: opDead, d: d, err: fmt.Errorf("what is stored of this delivery is not valid: %w", failure)}
	text, mine := cause(dead.err), false
	err := p.o.db.InTx(ctx, func(ctx context.Context) (err error) {
		if mine, err = p.o.store.condemn(ctx, h.id, l.storedAs(), text); err != nil || !mine {
			return err
		}
		return p.o.announce(ctx, &dead)
	})
	if err != nil {
		return fmt.Errorf("bury: %w", err)
	}
	if !mine {
		return nil // it was claimed, or deleted, meanwhile
	}
	if p.o.hooks.Dead != nil {
		p.o.hooks.Dead(d, dead.err)
	}
	if h.key != "" && !l.group.Block {
		p.finish(l, h.key)
	}
	return nil
}

// failing is what is known of claims that fail.
type failing struct {
	since time.Time
	times int
	err   error
}

func (b *backlog) claimFailed(err error) {
	b.failures.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failing.times == 0 {
		b.failing.since = time.Now()
	}
	b.failing.times++
	b.failing.err = err
}

func (b *backlog) claimWorked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing = failing{}
}

// failingFor returns how long all claims have failed.
func (b *backlog) failingFor(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failing.times == 0 {
		return 0
	}
	return now.Sub(b.failing.since)
}

// fewFailures is how many claims in a row may fail before that is worth a word to who asks for the readiness.
const fewFailures = 3

// Claiming returns nil as long as the claims of all durable subscriptions work. When those of one have failed again and
// again, for half a lease at least, it says which, since when, and why: events of that subscription wait and are not handled.
func (b *Bus) Claiming() error {
	now := time.Now()
	for _, l := range b.outbox.lanes {
		l.backlog.mu.Lock()
		f := l.backlog.failing
		l.backlog.mu.Unlock()
		if f.times >= fewFailures && now.Sub(f.since) >= b.cfg.Lease/2 {
			return fmt.Errorf("subscription %s cannot claim its events since %s: %w", l.group.Name, f.since.UTC().Format(time.RFC3339), f.err)
		}
	}
	return nil
}
