package database

import (
	"context"
	"errors"
	"strconv"
)

// nested is a savepoint in another unit.
type nested struct{}

// begin opens the savepoint. ctx is the savepoint's own, and may end before the context of the transaction.
func (nested) begin(ctx context.Context, t *Tx) error {
	t.root = t.parent.root
	_, err := t.parent.exec(ctx, "SAVEPOINT "+t.name(), nil)
	return err
}

// name is the savepoint's name in the database.
func (t *Tx) name() string { return "plugboard_" + strconv.Itoa(t.level) }

// commit releases the savepoint and moves its participants to the parent. If a statement in the savepoint failed, the database refuses
// the release, and commit undoes the savepoint instead.
func (nested) commit(t *Tx) error {
	if err := t.check(); err != nil {
		return err
	}
	if _, err := t.exec(t.ctx, "RELEASE SAVEPOINT "+t.name(), nil); err != nil {
		return t.rollback(err)
	}
	t.end()
	p := t.parent
	p.mu.Lock()
	defer p.mu.Unlock()
	p.participants = append(p.participants, t.participants...)
	return nil
}

// rollback undoes the savepoint. It ignores the end of the savepoint's context, because the transaction goes on. If it fails, the
// transaction has failed: the connection refuses all further statements and the commit.
func (nested) rollback(t *Tx, cause error) error {
	if !t.end() {
		return cause
	}
	ctx := context.WithoutCancel(t.ctx)
	_, err := t.exec(ctx, "ROLLBACK TO SAVEPOINT "+t.name(), nil)
	if err == nil {
		_, err = t.exec(ctx, "RELEASE SAVEPOINT "+t.name(), nil)
	}
	t.afterRollback(t.participants)
	return errors.Join(cause, err)
}
