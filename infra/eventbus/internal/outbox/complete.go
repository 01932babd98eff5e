package outbox

import (
	"context"
	"errors"
	"fmt"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// completer runs handlers in the transaction that completes their deliveries.
type completer struct{ store store.Deliveries }

// handlerError marks an error of the handler. Other errors come from the transaction around the handler.
type handlerError struct{ err error }

func (h *handlerError) Error() string { return h.err.Error() }
func (h *handlerError) Unwrap() error { return h.err }

// runInTx runs the handler in the transaction that completes d.
func (c *completer) runInTx(ctx context.Context, d *consumer.Item) error {
	return c.store.DB.InTx(ctx, func(ctx context.Context) error { return c.run(ctx, d) })
}

// run runs the handler and completes d, in the transaction of ctx. When it returns nil, no statement of the transaction has failed.
func (c *completer) run(ctx context.Context, d *consumer.Item) error {
	err := func() (err error) {
		defer app.Recover(&err)
		return message.SafeError(handle(ctx, d))
	}()
	if err != nil {
		return &handlerError{err}
	}
	//crash:point after transactional effect
	if d.Claim.Completed { // the handler completed d. Run the statement again: it fails if a later statement of the handler has failed
		_, err = c.store.Complete(ctx, heldOf(d))
		return err
	}
	return c.complete(ctx, &d.Delivery, heldOf(d))
}

// runAllInTx runs the handlers of a batch in one transaction that completes all deliveries of the batch. It reports whether the
// transaction was committed.
func (c *completer) runAllInTx(ctx context.Context, batch []*consumer.Item) bool {
	err := c.store.DB.InTx(ctx, func(ctx context.Context) (err error) {
		defer app.Recover(&err)
		open := make([]store.Held, 0, len(batch))
		for _, d := range batch {
			if err := handle(ctx, d); err != nil {
				return message.SafeError(err)
			}
			if !d.Claim.Completed { // the handler has not called app.Complete
				open = append(open, heldOf(d))
			}
		}
		//crash:point after transactional effect
		n, err := c.store.CompleteAll(ctx, open)
		if err == nil && int(n) < len(open) {
			err = message.ErrTaken
		}
		return err
	})
	for _, d := range batch {
		d.Claim.Completed = err == nil
	}
	return err == nil
}

// complete completes d in the transaction of ctx, for app.Complete.
func (c *completer) complete(ctx context.Context, d *message.Delivery, held store.Held) error {
	tx, ok := database.TxFrom(ctx)
	if !ok {
		return errors.New("app.Complete: not inside app.InTx")
	}
	if d.Claim.Completed {
		return nil
	}
	mine, err := c.store.Complete(ctx, held)
	if err != nil {
		return fmt.Errorf("complete delivery: %w", err)
	}
	if !mine {
		return message.ErrTaken
	}
	d.Claim.Completed = true
	tx.Attach(nil, database.Participant{AfterRollback: func() { d.Claim.Completed = false }})
	return nil
}
