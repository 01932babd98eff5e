package eventbus

import (
	"context"
	"errors"
	"fmt"

	"plugboard/app"
	"plugboard/infra/database"
)

// completer runs handlers in the transaction that completes their deliveries.
type completer struct{ store Deliveries }

// handlerError is an error of the handler, as opposed to one of the transaction around it.
type handlerError struct{ err error }

func (h *handlerError) Error() string { return h.err.Error() }
func (h *handlerError) Unwrap() error { return h.err }

// handle calls the handler. A delivery that cannot be handed over fails for good instead.
func handle(ctx context.Context, d *Item) error {
	if d.Fault != nil {
		return app.Permanent(d.Fault)
	}
	return d.Subscription.Handle(ctx, &d.Delivery)
}

// runInTx runs the handler in the transaction that completes d.
func (c *completer) runInTx(ctx context.Context, d *Item) error {
	return c.store.DB.InTx(ctx, func(ctx context.Context) error { return c.run(ctx, d) })
}

// run runs the handler and completes d, in the transaction of ctx. When it returns nil, no statement in the transaction has
// failed.
func (c *completer) run(ctx context.Context, d *Item) error {
	err := func() (err error) {
		defer app.Recover(&err)
		return SafeError(handle(ctx, d))
	}()
	if err != nil {
		return &handlerError{err}
	}
	//crash:point after transactional effect
	if d.Claim.Completed { // by the handler; this statement fails if one of the transaction has failed since
		_, err = c.store.complete(ctx, heldOf(d))
		return err
	}
	return c.complete(ctx, &d.Delivery, heldOf(d))
}

// runAllInTx runs the handlers of a batch in one transaction that completes all its deliveries, and reports whether it was
// committed.
func (c *completer) runAllInTx(ctx context.Context, batch []*Item) bool {
	err := c.store.DB.InTx(ctx, func(ctx context.Context) (err error) {
		defer app.Recover(&err)
		open := make([]Held, 0, len(batch))
		for _, d := range batch {
			if err := handle(ctx, d); err != nil {
				return SafeError(err)
			}
			if !d.Claim.Completed { // by the handler itself
				open = append(open, heldOf(d))
			}
		}
		//crash:point after transactional effect
		n, err := c.store.completeAll(ctx, open)
		if err == nil && int(n) < len(open) {
			err = ErrTaken
		}
		return err
	})
	for _, d := range batch {
		d.Claim.Completed = err == nil
	}
	return err == nil
}

// complete completes d in the transaction of ctx, for app.Complete.
func (c *completer) complete(ctx context.Context, d *Delivery, held Held) error {
	tx, ok := database.TxFrom(ctx)
	if !ok {
		return errors.New("app.Complete: not inside app.InTx")
	}
	if d.Claim.Completed {
		return nil
	}
	mine, err := c.store.complete(ctx, held)
	if err != nil {
		return fmt.Errorf("complete delivery: %w", err)
	}
	if !mine {
		return ErrTaken
	}
	d.Claim.Completed = true
	tx.Attach(nil, database.Participant{AfterRollback: func() { d.Claim.Completed = false }})
	return nil
}
