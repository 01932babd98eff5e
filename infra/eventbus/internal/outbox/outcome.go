package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/quarantine"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// kind is the kind of an outcome.
type kind int

const (
	done      kind = iota // handled
	retry                 // failed, to be tried again
	dead                  // failed for good
	parked                // unreadable for this version, left to other versions
	released              // given back untried
	completed             // nothing to write: the handler's transaction completed it, or another process has claimed it since
)

// outcome is the outcome of a delivery, which the settler writes to the database.
type outcome struct {
	kind kind
	d    *consumer.Item
	wait time.Duration
	err  error
}

// CountBegin implements [quarantine.Host].
func (s *settler) CountBegin(ctx context.Context, d *consumer.Item) (held bool, err error) {
	return s.store.CountSoloRun(ctx, heldOf(d))
}

// Deliver implements [quarantine.Host].
func (*settler) Deliver(d *consumer.Item) { queueOf(d).deliver(d) }

// Settle implements [quarantine.Host]. It decides on the outcome of a delivery whose handler has ended, and lets the next delivery of
// the key run. When the outcome is written, written gives the place of the delivery back.
func (s *settler) Settle(d *consumer.Item, err error) {
	if err != nil && s.hooks.Failed != nil && !errors.Is(err, message.ErrNotBegun) {
		s.hooks.Failed(&d.Delivery, err)
	}
	q, o := queueOf(d), s.decide(d, err)
	ended := o.kind == done || o.kind == completed || o.kind == dead && !d.Subscription.Block
	if ended && !errors.Is(err, message.ErrTaken) {
		q.Advance(d)
	} else {
		s.release(q.Drop(d)...)
	}
	if o.kind == completed {
		s.written(&o)
		s.idle.Tell()
		return
	}
	s.add(o)
}

// decide returns the outcome of d. A transaction that failed because the database is absent, or since the bus stops, uses up no attempt
// of its handler. Every other failure does, such as an ignored error of a statement, a timeout of the handler or of its session, and a
// refused commit: otherwise the handler could fail in this way for ever.
func (s *settler) decide(d *consumer.Item, err error) outcome {
	sub := d.Subscription
	var own *handlerError
	switch {
	case d.Claim.Completed: // even if the handler failed after the commit of its effects
		return outcome{kind: completed, d: d}
	case err == nil:
		return outcome{kind: done, d: d}
	case errors.Is(err, message.ErrTaken):
		return outcome{kind: completed, d: d}
	case errors.Is(err, message.ErrNotBegun):
		return outcome{kind: released, d: d}
	case errors.Is(err, message.ErrUnreadable):
		return outcome{kind: parked, d: d, err: err, wait: min(s.cfg.Park/4+time.Second, 30*time.Second)}
	case errors.Is(err, quarantine.ErrCrashes):
		return outcome{kind: dead, d: d, err: err}
	case sub.Tx && !errors.As(err, &own) && (database.Absent(err) || queueOf(d).Ended()): // the transaction failed, and not the handler
		return outcome{kind: released, d: d, wait: time.Second}
	case message.IsFinal(err) || d.Attempt >= sub.Attempts:
		return outcome{kind: dead, d: d, err: err}
	default:
		return outcome{kind: retry, d: d, err: err, wait: sub.Backoff(d.Attempt)}
	}
}

// applyAll writes outcomes in the transaction of ctx.
func (s *settler) applyAll(ctx context.Context, outcomes []outcome) error {
	handled := make([]store.Held, 0, len(outcomes))
	for i := range outcomes {
		if outcomes[i].kind == done {
			handled = append(handled, heldOf(outcomes[i].d))
			continue
		}
		if err := s.apply(ctx, &outcomes[i]); err != nil {
			return err
		}
	}
	if len(handled) == 0 {
		return nil
	}
	if err := s.store.CompleteAtCommit(ctx, handled); err != nil {
		return fmt.Errorf("settle deliveries: %w", err)
	}
	return nil
}

// apply writes one outcome in the transaction of ctx. It changes nothing when another process has claimed the delivery since.
func (s *settler) apply(ctx context.Context, o *outcome) error {
	var err error
	mine, held := true, heldOf(o.d)
	switch o.kind {
	case completed, done: // applyAll writes done outcomes, and completed ones need no statement
	case retry:
		mine, err = s.store.Retry(ctx, held, o.d.Attempt, o.wait, message.ErrorText(o.err))
	case released:
		mine, err = s.store.Release(ctx, held, o.wait)
	case parked:
		var expired bool
		if expired, err = s.store.Park(ctx, held, o.wait, s.cfg.Park, time.Since(s.began), message.ErrorText(o.err)); err == nil && expired {
			err = s.bury(ctx, o)
		}
	case dead:
		err = s.bury(ctx, o)
	}
	if err != nil {
		return fmt.Errorf("settle delivery of %s: %w", o.d.Subscription.Name, err)
	}
	if !mine { // an earlier commit has written the outcome, or another process has claimed the delivery: nothing is left to do
		o.kind = completed
	}
	return nil
}

// bury makes a delivery dead, and announces its death in the same transaction. When the delivery is not this process's any more, bury
// checks whether an earlier commit, whose answer was lost, has made it dead.
func (s *settler) bury(ctx context.Context, o *outcome) error {
	held := heldOf(o.d)
	mine, err := s.store.DeadLetter(ctx, held, message.ErrorText(o.err))
	if err != nil {
		return err
	}
	if mine {
		o.kind = dead
		//crash:point during dead-lettering
		return s.publisher.announce(ctx, &o.d.Delivery, o.err)
	}
	isDead, err := s.store.IsDead(ctx, held)
	if o.kind = completed; isDead {
		o.kind = dead
	}
	return err
}

// written is called when an outcome is in the database: the delivery leaves this process, and its queue may claim others.
func (s *settler) written(o *outcome) {
	q, d := queueOf(o.d), o.d
	q.backlog.drop(d)
	s.quarantine.Ended(d)
	s.budget.give(d.Size())
	q.Unreserve(1)
	switch o.kind {
	case dead:
		if s.hooks.Dead != nil {
			s.hooks.Dead(&d.Delivery, o.err)
		}
	case retry, parked, released:
		s.claimer.open(q, o.wait)
	case done, completed:
	}
	s.claimer.gave()
	ended := o.kind == done || o.kind == completed || o.kind == dead
	if d.Key != "" && ended && !q.Working(d.Key) {
		s.claimer.finish(q, d.Key)
	}
	if d.Key != "" || q.Used() < int64(s.cfg.Buffer/2) { // without a key, wait until half of the places are free: then one poll claims many
		s.claimer.freed(q)
	}
}
