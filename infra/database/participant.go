package database

import (
	"context"
	"errors"
	"slices"

	"go.uber.org/zap"

	"plugboard/app"
)

// Participant takes part in the end of a transaction. [Tx.Attach] attaches it to a transaction or a savepoint. When a savepoint is
// released, its participants move to the transaction or savepoint around it. Each function may be nil.
type Participant struct {
	// Value is what [Tx.Attached] returns.
	Value any
	// BeforeCommit runs in the transaction, once, right before it commits, after the function given to the outermost InTx has
	// returned. Participants run in the order in which they were attached. An error rolls the transaction back. The function
	// may attach further participants, which run as well. It does not run in a savepoint that was rolled back.
	BeforeCommit func(ctx context.Context) error
	// AfterCommit runs after the transaction has committed and before the outermost InTx returns, in the order in which the
	// participants were attached. On SQLite, transactions that share a commit have it run one transaction after the other,
	// before the next commit, maybe in another goroutine: it must be short and must not write to the database. A panic in it
	// is logged.
	AfterCommit func()
	// AfterRollback runs when the transaction, or the savepoint the participant was attached to, has been rolled back, when
	// its commit failed, and when the outcome of its commit is unknown. A panic in it is logged.
	AfterRollback func()
}

// attachment is a participant with its key; nil is no key.
type attachment struct {
	key any
	Participant
}

// Attach attaches p. With a key, p replaces the participant that was attached to the same transaction or savepoint with this key, and
// takes the last place in the order. The release of a savepoint replaces nothing: its participants are added to those around it, and two
// with the same key both run. Each attempt of a transaction starts without participants.
func (t *Tx) Attach(key any, p Participant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.placeOf(key); i >= 0 {
		t.participants[i] = attachment{} // the others keep their places: BeforeCommit may be going through them
	}
	t.participants = append(t.participants, attachment{key, p})
}

// placeOf returns the place of the participant with that key, -1 if there is none. Its caller holds the mutex.
func (t *Tx) placeOf(key any) int {
	if key != nil {
		for i, a := range slices.Backward(t.participants) {
			if a.key == key {
				return i
			}
		}
	}
	return -1
}

// Attached returns the value of the participant with that key. It looks in t first, and then outwards, from savepoint to transaction. It
// returns nil if there is none.
func (t *Tx) Attached(key any) any {
	for ; t != nil; t = t.parent {
		t.mu.Lock()
		i := t.placeOf(key)
		if i >= 0 {
			defer t.mu.Unlock()
			return t.participants[i].Value
		}
		t.mu.Unlock()
	}
	return nil
}

// beforeCommit calls BeforeCommit of each participant. A participant that is attached meanwhile has its turn too.
func (t *Tx) beforeCommit() error {
	for i := 0; ; i++ {
		t.mu.Lock()
		if i == len(t.participants) {
			t.mu.Unlock()
			return nil
		}
		run := t.participants[i].BeforeCommit
		t.mu.Unlock()
		if run == nil {
			continue
		}
		if err := run(t.ctx); err != nil {
			return err
		}
	}
}

// tell tells the participants how the commit of a whole transaction ended.
func (t *Tx) tell(err error) {
	if err != nil {
		t.afterRollback(t.participants)
		return
	}
	for _, a := range t.participants {
		t.guard("after-commit function of a transaction panicked", a.AfterCommit)
	}
}

func (t *Tx) afterRollback(undone []attachment) {
	for _, a := range undone {
		t.guard("after-rollback function of a transaction panicked", a.AfterRollback)
	}
}

// guard runs a function, if there is one, and logs its panic: the transaction has ended, and the other functions have to run.
func (t *Tx) guard(message string, run func()) {
	if run == nil {
		return
	}
	err := func() (err error) {
		defer app.Recover(&err)
		run()
		return nil
	}()
	if p, ok := errors.AsType[*app.PanicError](err); ok {
		t.db.logger.Error(message, zap.Error(p), zap.ByteString("stack", p.Stack))
	}
}
